// As proxy_faults_test and proxy_messages_test: a network that fails at any byte, and at the
// COMMITs of every session.
#include <gtest/gtest.h>

#include <chrono>
#include <sstream>

#include "tests/faults/proxy_rig.h"

namespace pgfanout::testing {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class ProxyFaultsLongTest : public ProxyRig<kManyRows> {
 protected:
  /// A few shapes only: each has to be looked at first.
  static CopyShape some_shape(Random& random) {
    CopyShape shape;
    const int choice = below(random, 3);
    if (choice > 0) shape.commit_every = "1000";
    if (choice == 2) {
      shape.writers = 3;
      shape.two_databases = true;
    }
    return shape;
  }

  /// One run that meets the fault, or never comes to its place, and what follows.
  static void meet(FaultRig& rig, const ProxyFault& fault, Tally& tally) {
    std::ostringstream what;
    what << fault;
    proxy().clear();
    proxy().add(fault);
    const CommandResult result = rig.start().wait();
    const auto ended = Clock::now();
    if (proxy().faults_met() > 0) {
      ++tally.faults;
      tally.note_exit(std::chrono::duration<double>(ended - proxy().last_met()).count(),
                      what.str());
    }
    // The network comes back: what it still held open is cut.
    proxy().clear();
    rig.run_ended(result, what.str());
  }

  static ProxyFault random_fault(Random& random, const std::vector<ProxiedConnection>& usual) {
    ProxyFault fault;
    fault.kind = static_cast<FaultKind>(below(random, harness::kFaultKinds));
    fault.connection = below(random, static_cast<int>(usual.size()));
    const ProxiedConnection& victim = usual[static_cast<std::size_t>(fault.connection)];
    fault.direction = below(random, 2) == 0 ? Direction::to_server : Direction::to_client;
    const bool is_up = fault.direction == Direction::to_server;
    const double bytes =
        static_cast<double>(is_up ? victim.bytes_to_server : victim.bytes_to_client);
    fault.after_bytes = static_cast<std::int64_t>(between(random, 0, bytes));
    fault.both_directions = below(random, 2) == 0;
    fault.pause = milliseconds(1 + below(random, 20));
    fault.length = milliseconds(50 + below(random, 500));
    if (fault.kind == FaultKind::stall) fault.length = milliseconds(0);
    if (fault.kind == FaultKind::drop_message) {
      const std::vector<std::string> messages = {"COPY", "SELECT", "SET", "BEGIN", "COMMIT"};
      fault.message = messages[static_cast<std::size_t>(below(random, 5))];
      fault.ready_after = !is_up && below(random, 2) == 0;
      fault.connection = -1;
    }
    return fault;
  }
};

TEST_F(ProxyFaultsLongTest, AnyFaultAtAnyByte) {
  run_rounds(12, [](Round& round) {
    auto& [number, random, tally] = round;
    FaultRig rig(bench(), some_shape(random), tally);
    const auto usual = look_at(rig.shape());
    prepare(rig, {"--stall-timeout", "1"});
    for (int fault = below(random, 2); fault >= 0 && !rig.is_complete(); --fault) {
      meet(rig, random_fault(random, usual), tally);
      if (HasFailure()) return;
    }
    rig.finish();
  });
}

/// Of every connection in turn, any of its COMMITs: the reply is lost, or the ReadyForQuery behind
/// it, or the COMMIT itself.
TEST_F(ProxyFaultsLongTest, LostCommits) {
  std::vector<CopyShape> shapes(1);
  shapes.emplace_back().commit_every = "2000";
  shapes.back().writers = 3;
  struct Victim {
    CopyShape shape;
    int connection;
    std::string application;
    int commits;
  };
  std::vector<Victim> victims;
  for (const CopyShape& shape : shapes) {
    const auto usual = look_at(shape);
    for (std::size_t at = 0; at < usual.size(); ++at) {
      const auto commits = usual[at].replies.find("COMMIT");
      if (commits == usual[at].replies.end()) continue;
      const std::string& name = usual[at].application;
      victims.push_back(
          {shape, static_cast<int>(at), name.substr(name.rfind('/') + 1), commits->second});
    }
  }
  ASSERT_FALSE(victims.empty());
  const auto all = static_cast<int>(victims.size());
  run_rounds(
      all,
      [&](Round& round) {
        auto& [number, random, tally] = round;
        const Victim& victim = victims[static_cast<std::size_t>(number % all)];
        FaultRig rig(bench(), victim.shape, tally);
        prepare(rig, {"--stall-timeout", "1"});
        ProxyFault fault{FaultKind::drop_message};
        fault.connection = victim.connection;
        fault.message = "COMMIT";
        fault.occurrence = 1 + below(random, victim.commits);
        // The reply in the first rounds, the messages around it in further ones.
        const int place = number < all ? 0 : below(random, 3);
        fault.ready_after = place == 1;
        fault.direction = place == 2 ? Direction::to_server : Direction::to_client;
        meet(rig, fault, tally);
        if (!HasFailure()) rig.finish();
      },
      all);
}

/// As LostCommits, for the end of a COPY: the server has taken the rows, and its answer is lost.
TEST_F(ProxyFaultsLongTest, LostEndsOfCopies) {
  run_rounds(5, [](Round& round) {
    auto& [number, random, tally] = round;
    FaultRig rig(bench(), some_shape(random), tally);
    prepare(rig, {"--stall-timeout", "1"});
    ProxyFault fault{FaultKind::drop_message};
    fault.application = below(random, 3) == 0 ? "/reader" : "/writer";
    fault.message = "COPY";
    fault.occurrence = 1 + below(random, 3);
    fault.ready_after = below(random, 2) == 0;
    meet(rig, fault, tally);
    if (!HasFailure()) rig.finish();
  });
}

}  // namespace
}  // namespace pgfanout::testing

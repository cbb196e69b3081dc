// Copies through a network that fails: a proxy between pgfanout and the server, and the faults that
// each call meets.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "tests/faults/fault_rig.h"
#include "tests/harness/fault_proxy.h"

namespace pgfanout::testing {

using harness::Direction;
using harness::FaultKind;
using harness::FaultProxy;
using harness::ProxiedConnection;
using harness::ProxyFault;

template <int rows>
class ProxyRig : public ::testing::Test {
 protected:
  static FaultBench& bench() {
    static FaultBench bench(rows);
    return bench;
  }
  static FaultProxy& proxy() {
    static FaultProxy proxy(bench().server());
    return proxy;
  }

  static CopyShape leaves() { return {}; }
  static CopyShape epochs() {
    CopyShape shape;
    shape.commit_every = "500";
    shape.writers = 3;
    shape.two_databases = true;
    return shape;
  }

  static void prepare(FaultRig& rig, const std::vector<std::string>& options = {}) {
    proxy().clear();
    rig.go_through(proxy().dsn("{database}"));
    rig.add_options(options);
  }

  /// The connections of a copy that nothing is done to.
  static std::vector<ProxiedConnection> look_at(const CopyShape& shape) {
    static std::map<CopyShape, std::vector<ProxiedConnection>> known;
    if (known.contains(shape)) return known[shape];
    Tally ignored;
    FaultRig rig(bench(), shape, ignored);
    prepare(rig);
    const CommandResult result = rig.start().wait();
    rig.run_ended(result, "a run through a network that does not fail");
    EXPECT_EQ(result.exit_code, 0) << result;
    return known[shape] = proxy().connections();
  }

  /// Faults that one call meets.
  struct Meeting {
    std::vector<ProxyFault> faults;
    std::vector<int> exit_codes;
  };

  /// Each call resumes what the one before left. A new copy begins when one ended in spite of its
  /// faults.
  static void meet_each(const CopyShape& shape, const std::vector<Meeting>& meetings,
                        const std::vector<std::string>& options = {}) {
    Tally tally;
    ++tally.rounds;
    FaultRig rig(bench(), shape, tally);
    prepare(rig, options);
    for (const auto& [faults, exit_codes] : meetings) {
      if (rig.is_complete()) rig.begin_anew();
      std::ostringstream what;
      proxy().clear();
      for (const ProxyFault& fault : faults) {
        what << fault << "; ";
        proxy().add(fault);
      }
      const CommandResult result = rig.start().wait();
      EXPECT_EQ(proxy().faults_met(), static_cast<int>(faults.size())) << what.str() << result;
      EXPECT_THAT(exit_codes, ::testing::Contains(result.exit_code)) << what.str() << result;
      tally.faults += proxy().faults_met();
      // The network comes back: what it still held open is cut.
      proxy().clear();
      rig.run_ended(result, what.str());
      if (HasFailure()) return;
    }
    rig.finish();
    tally.print();
  }

  /// In the middle of what the busiest session of that role moves in that direction.
  static ProxyFault in_the_middle(const CopyShape& shape, FaultKind kind, const std::string& role,
                                  Direction direction) {
    std::int64_t most = 0;
    for (const ProxiedConnection& each : look_at(shape)) {
      if (!each.application.ends_with("/" + role)) continue;
      most = std::max(
          most, direction == Direction::to_server ? each.bytes_to_server : each.bytes_to_client);
    }
    ProxyFault fault{kind};
    fault.application = "/" + role;
    fault.direction = direction;
    fault.after_bytes = most / 2;
    return fault;
  }

  /// At the n-th message of that kind on a session of that role: the reply is lost, or the
  /// ReadyForQuery behind it, or the statement itself.
  enum class Lost { reply, ready, statement };
  static ProxyFault lost_message(const std::string& role, const std::string& message, Lost lost,
                                 int occurrence = 1) {
    ProxyFault fault{FaultKind::drop_message};
    fault.application = "/" + role;
    fault.message = message;
    fault.ready_after = lost == Lost::ready;
    fault.direction = lost == Lost::statement ? Direction::to_server : Direction::to_client;
    fault.occurrence = occurrence;
    return fault;
  }
  /// COMMITs of the one session of that role.
  static int commits_of(const CopyShape& shape, const std::string& role) {
    int commits = 0;
    for (const ProxiedConnection& each : look_at(shape)) {
      const auto found = each.replies.find("COMMIT");
      if (each.application.ends_with("/" + role) && found != each.replies.end()) {
        commits = std::max(commits, found->second);
      }
    }
    return commits;
  }
};

}  // namespace pgfanout::testing

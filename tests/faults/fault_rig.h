// A copy into which faults are injected, and what must hold after every one of them. Everything is
// checked by the server's own SQL, nothing by what pgfanout says of itself:
//
//   I1  the source's rows are what they were
//   I2  the live name stands for a complete table (windows only, see window_rig.h)
//   I3  exit code 0 only if the target holds the source's rows, each in its leaf, under its key
//   I4  the same command, run again, ends with 0 and the digest of a copy that nothing interrupted,
//       or refuses and says why
//   I5  no session, no lock and no object is left but what the journal names; the fence stands
//       after an interruption, and is gone after exit code 0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/faults/fault_rounds.h"
#include "tests/harness/command.h"
#include "tests/harness/test_server.h"

namespace pgfanout::testing {

using harness::CommandResult;
using harness::TestServer;

/// How long sessions that a command left may take to end on a busy machine.
inline constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(20);

/// How a copy is cut up.
struct CopyShape {
  std::string commit_every = "leaf";
  int readers = 2;
  int writers = 8;
  bool two_databases = false;

  [[nodiscard]] std::string name() const;
  bool operator<(const CopyShape& other) const { return name() < other.name(); }
};
/// Leaf mode, or epochs of some size; few or many connections; one database or two.
CopyShape random_shape(Random& random);

/// Rows of the source: enough for four epochs of 500, and what random rounds cut up.
inline constexpr int kFewRows = 2000;
inline constexpr int kManyRows = 8000;

/// A server with the source in a database to make others from, and what a copy that nothing
/// interrupts needs and gives.
class FaultBench {
 public:
  explicit FaultBench(int rows, harness::ServerOptions options = {});

  TestServer& server() { return server_; }
  /// Of the source, by SQL and independent of order.
  [[nodiscard]] const std::string& checksum() const { return checksum_; }
  /// The digest of an uninterrupted copy.
  const std::string& digest();
  /// How long one takes.
  double seconds(const CopyShape& shape);
  /// A fresh database with the source in it.
  std::string clone();
  /// Where databases are made from now on.
  void use_tablespace(const std::string& name) { tablespace_ = name; }

 private:
  void measure(const CopyShape& shape);

  TestServer server_;
  std::string checksum_;
  std::string digest_;
  std::map<CopyShape, double> seconds_;
  int clones_ = 0;
  std::string tablespace_ = "pg_default";
};

/// One copy and its faults.
class FaultRig {
 public:
  FaultRig(FaultBench& bench, CopyShape shape, Tally& tally);
  /// Drops its databases, but for those of a test that failed.
  ~FaultRig();
  FaultRig(const FaultRig&) = delete;
  FaultRig& operator=(const FaultRig&) = delete;

  [[nodiscard]] const std::string& source_database() const { return source_; }
  [[nodiscard]] const std::string& target_database() const { return target_; }
  [[nodiscard]] const CopyShape& shape() const { return shape_; }
  /// Further options for every command.
  void add_options(const std::vector<std::string>& options);
  /// Connection strings other than the server's own, for the commands that follow. `{database}`
  /// stands for the name.
  void go_through(const std::string& dsn) { through_ = dsn; }

  /// How long sessions may be left after a run.
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }

  [[nodiscard]] std::vector<std::string> arguments() const;
  harness::BackgroundCommand start(const harness::Environment& environment = {}) const;

  /// A run that met a fault, or was to, has ended: books it, and checks what must hold. The server
  /// must be up again. `what` is for messages.
  void run_ended(const CommandResult& result, const std::string& what);
  /// Whether the last run ended with 0.
  [[nodiscard]] bool is_complete() const { return is_complete_; }
  /// Forgets a copy that is complete: drops what it made, so that the same command copies again.
  void begin_anew();
  /// The same command again, unharmed, until it ends with 0; a few times at most.
  void finish();

 private:
  /// One to the source and one to the target, or one to both.
  struct Sessions {
    harness::Session source;
    std::optional<harness::Session> other;
    harness::Session& target() { return other ? *other : source; }
  };
  [[nodiscard]] Sessions connect() const;
  void check_target(Sessions& sessions, const CommandResult& result, const std::string& what) const;
  void check_left_behind(harness::Session& session, const std::string& what) const;
  static void check_fence(Sessions& sessions, const CommandResult& result, const std::string& what);
  static bool target_is_right(Sessions& sessions);
  static std::string target_rows(harness::Session& target);
  static std::string sqlstate_of(harness::Session& session, const std::string& sql);
  void book_work();

  FaultBench& bench_;
  const CopyShape shape_;
  Tally& tally_;
  std::string source_;
  std::string target_;
  std::string through_;
  std::vector<std::string> options_;
  std::chrono::milliseconds patience_ = kPatience;
  bool is_complete_ = false;
  bool was_interrupted_ = false;
};

/// The codes of a JSON document's errors, with their messages; or what stands on standard error.
std::string errors_of(const CommandResult& result);
/// Polls until no session of pgfanout is left in the session's database.
void expect_no_sessions(harness::Session& session, const std::string& what,
                        std::chrono::milliseconds patience = kPatience);

}  // namespace pgfanout::testing

// Runs commands under test: to their end, or in the background so that they can be interrupted.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/harness/child_process.h"

namespace pgfanout::harness {

struct CommandResult {
  int exit_code = -1;  ///< -1 if a signal ended it.
  int signal = 0;
  bool timed_out = false;  ///< Then it was killed.
  std::string out;
  std::string err;
  double seconds = 0;
  double cpu_seconds = 0;
  long peak_rss_bytes = 0;
};

/// For test messages: exit code, signal, both outputs.
std::ostream& operator<<(std::ostream& stream, const CommandResult& result);

struct CommandOptions {
  Environment environment;  ///< Added to the test's own without libpq's variables.
  std::string input;        ///< Standard input.
  std::chrono::milliseconds timeout = std::chrono::seconds(120);
  bool unprivileged = false;  ///< Run as unprivileged_user().
};

/// A command that runs in the background. It is killed when the test or the thread that started it
/// ends.
class BackgroundCommand {
 public:
  explicit BackgroundCommand(const std::vector<std::string>& argv, CommandOptions options = {});
  ~BackgroundCommand();
  BackgroundCommand(BackgroundCommand&&) noexcept;
  BackgroundCommand& operator=(BackgroundCommand&&) noexcept;

  [[nodiscard]] pid_t pid() const;
  [[nodiscard]] bool running();
  void send_signal(int signal);
  /// Its output so far.
  [[nodiscard]] std::string out() const;
  [[nodiscard]] std::string err() const;
  /// Waits until out() or err() contains `text`; false if the command ended or the time is over.
  bool wait_for_output(const std::string& text,
                       std::chrono::milliseconds timeout = std::chrono::seconds(30));
  /// Waits until a signal has stopped it; false if it ended or the time is over.
  bool wait_until_stopped(std::chrono::milliseconds timeout = std::chrono::seconds(60));
  /// Waits for its end. Kills its process group when the options' timeout, counted from the start,
  /// is over.
  CommandResult wait();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Runs argv[0], searched in PATH, to its end.
CommandResult run_command(const std::vector<std::string>& argv, CommandOptions options = {});

/// Leaves of a target that the command creates in a test. The default of 100 would slow most tests
/// down.
inline constexpr int kLeaves = 8;

/// The pgfanout that this build made.
std::string pgfanout_binary();
/// Runs it; `arguments` come after the program's name. A job whose arguments name neither
/// --partitions nor a job file gets `--partitions 8`.
CommandResult pgfanout(std::vector<std::string> arguments, CommandOptions options = {});
/// The whole argv, for BackgroundCommand.
std::vector<std::string> pgfanout_argv(std::vector<std::string> arguments);

}  // namespace pgfanout::harness

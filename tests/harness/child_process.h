// Starts, signals and waits for a child process. The child ends with the thread that started it
// (PR_SET_PDEATHSIG), so that a killed test leaves no process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pgfanout::harness {

/// Changes to the test's own environment; nullopt removes a variable.
using Environment = std::map<std::string, std::optional<std::string>>;

/// The user of the servers: that of the test, or `postgres` or `nobody` if the test runs as root,
/// since PostgreSQL refuses to run as root.
struct UnprivilegedUser {
  uid_t uid = 0;
  gid_t gid = 0;
  bool must_switch = false;  ///< The test is root; the child becomes this user.
};
const UnprivilegedUser& unprivileged_user();

struct SpawnOptions {
  Environment environment;
  bool unprivileged = false;  ///< Run as unprivileged_user().
  int stdin_fd = -1;          ///< -1: /dev/null. The caller keeps ownership of all three.
  int stdout_fd = -1;
  int stderr_fd = -1;
  int death_signal = 9;  ///< Sent to the child when the thread that started it ends.
};

/// How a process ended. Exactly one of the two is set.
struct ExitStatus {
  int exit_code = -1;  ///< -1 if a signal ended it.
  int signal = 0;
  double cpu_seconds = 0;   ///< User and system time.
  long peak_rss_bytes = 0;  ///< At least that of the test process when it started the child.
};

class ChildProcess {
 public:
  /// Starts argv[0] (searched in PATH) in a process group of its own. Throws if it cannot; a
  /// program that does not exist ends with exit code 127.
  ChildProcess(const std::vector<std::string>& argv, const SpawnOptions& options);
  /// Kills the process group if the child still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running();
  /// True if a signal has stopped it and none has continued it.
  [[nodiscard]] bool stopped() const;
  /// Signals the child alone. Does nothing after its end.
  void send_signal(int signal);
  void kill_group();
  /// nullopt if it still runs after that time.
  std::optional<ExitStatus> wait(std::chrono::milliseconds timeout);

 private:
  pid_t pid_ = -1;
  std::optional<ExitStatus> status_;
};

/// TMPDIR, or /tmp if TMPDIR is not set or too long for a socket's name.
std::string temp_directory();

}  // namespace pgfanout::harness

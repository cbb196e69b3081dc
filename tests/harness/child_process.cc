#include "tests/harness/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <thread>

extern char** environ;

namespace pgfanout::harness {
namespace {

/// libpq's variables (PGHOST, PGPASSWORD, ...) of the caller must not reach a child.
bool is_libpq_variable(const std::string& name) {
  return name.starts_with("PG") && !name.starts_with("PGFANOUT_");
}

std::vector<std::string> environment_with(const Environment& changes) {
  std::map<std::string, std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto equals = text.find('=');
    if (equals == std::string::npos || is_libpq_variable(text.substr(0, equals))) continue;
    result[text.substr(0, equals)] = text.substr(equals + 1);
  }
  for (const auto& [name, value] : changes) {
    if (value) {
      result[name] = *value;
    } else {
      result.erase(name);
    }
  }
  std::vector<std::string> lines;
  lines.reserve(result.size());
  for (const auto& [name, value] : result) lines.push_back(name + "=" + value);
  return lines;
}

/// A null-terminated view of `strings`, valid as long as they are.
std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const auto& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

UnprivilegedUser find_unprivileged_user() {
  if (geteuid() != 0) return {geteuid(), getegid(), false};
  for (const char* name : {"postgres", "nobody"}) {
    if (const passwd* entry = getpwnam(name)) return {entry->pw_uid, entry->pw_gid, true};
  }
  throw std::runtime_error("tests that run as root need a user 'postgres' or 'nobody'");
}

/// Runs between fork and exec, so it makes only async-signal-safe calls.
[[noreturn]] void become(char* const* argv, char* const* environment, const SpawnOptions& options,
                         const UnprivilegedUser& user, pid_t parent) {
  constexpr int kCannotRun = 127;
  setpgid(0, 0);
  if (user.must_switch && options.unprivileged &&
      (setgroups(0, nullptr) != 0 || setgid(user.gid) != 0 || setuid(user.uid) != 0)) {
    _exit(kCannotRun);
  }
  // After setuid, which clears the signal. The parent may have died before this call.
  prctl(PR_SET_PDEATHSIG, options.death_signal);
  if (getppid() != parent) _exit(kCannotRun);

  const int null = open("/dev/null", O_RDWR);
  dup2(options.stdin_fd >= 0 ? options.stdin_fd : null, STDIN_FILENO);
  dup2(options.stdout_fd >= 0 ? options.stdout_fd : null, STDOUT_FILENO);
  dup2(options.stderr_fd >= 0 ? options.stderr_fd : null, STDERR_FILENO);
  if (null > STDERR_FILENO) close(null);

  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int sig : {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE}) signal(sig, SIG_DFL);
  execvpe(argv[0], argv, environment);
  _exit(kCannotRun);
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

const UnprivilegedUser& unprivileged_user() {
  static const UnprivilegedUser user = find_unprivileged_user();
  return user;
}

ChildProcess::ChildProcess(const std::vector<std::string>& argv, const SpawnOptions& options) {
  const auto environment = environment_with(options.environment);
  const auto argv_pointers = pointers_to(argv);
  const auto environment_pointers = pointers_to(environment);
  const UnprivilegedUser& user = unprivileged_user();
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) {
    become(argv_pointers.data(), environment_pointers.data(), options, user, parent);
  }
  setpgid(pid_, pid_);  // Also here, so that kill_group() finds the group at once.
}

ChildProcess::~ChildProcess() {
  if (!running()) return;
  kill_group();
  wait(std::chrono::seconds(10));
}

bool ChildProcess::running() {
  return !wait(std::chrono::milliseconds(0));
}

bool ChildProcess::stopped() const {
  siginfo_t info{};
  return !status_ &&
         waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid_;
}

void ChildProcess::send_signal(int signal) {
  if (running()) kill(pid_, signal);
}

void ChildProcess::kill_group() {
  if (!running()) return;
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
}

std::optional<ExitStatus> ChildProcess::wait(std::chrono::milliseconds timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (!status_) {
    int status = 0;
    rusage usage{};
    const pid_t ended = wait4(pid_, &status, WNOHANG, &usage);
    if (ended == pid_) {
      status_ = ExitStatus{
          WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
          seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss * 1024};
    } else if (ended < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "wait4");
    } else if (std::chrono::steady_clock::now() >= deadline) {
      return std::nullopt;
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return status_;
}

std::string temp_directory() {
  constexpr std::size_t kLongest = 40;  // A socket's name ends at 107 bytes.
  const char* directory = std::getenv("TMPDIR");
  if (directory == nullptr || *directory != '/' || std::string(directory).size() > kLongest) {
    return "/tmp";
  }
  return directory;
}

}  // namespace pgfanout::harness

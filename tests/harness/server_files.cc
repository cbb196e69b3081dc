#include "tests/harness/server_files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "tests/harness/command.h"

namespace pgfanout::harness {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

[[noreturn]] void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

std::string run_or_throw(const std::vector<std::string>& argv, bool unprivileged) {
  CommandOptions options;
  options.unprivileged = unprivileged;
  CommandResult result = run_command(argv, options);
  if (result.exit_code != 0) {
    std::ostringstream message;
    message << argv.front() << ": " << result;
    throw std::runtime_error(message.str());
  }
  return std::move(result.out);
}

/// A folder of this user under `base`, kept between test runs.
fs::path kept_folder(const fs::path& base) {
  fs::path path = base / ("pgfanout-test-" + std::to_string(geteuid()));
  mkdir(path.c_str(), 0755);
  struct stat status {};
  // Another user may have made it, since the name is easy to guess.
  if (lstat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || status.st_uid != geteuid()) {
    throw std::runtime_error(path.string() + " is not a folder of this user");
  }
  return path;
}

/// Memory is several times faster than a disk for the thousand files of a fresh server.
fs::path fastest_directory() {
  constexpr std::uintmax_t kRoomBytes = std::uintmax_t{4} << 30;
  std::error_code error;
  const fs::path memory = "/dev/shm";
  const bool usable = std::getenv("TMPDIR") == nullptr && access(memory.c_str(), W_OK) == 0 &&
                      fs::space(memory, error).available >= kRoomBytes && !error;
  return usable ? memory : fs::path(temp_directory());
}

const fs::path& cache_directory() {
  static const fs::path directory = [] {
    fs::path path = kept_folder(fastest_directory());
    for (const char* part : {"templates", "run"}) fs::create_directory(path / part);
    return path;
  }();
  return directory;
}

/// A folder that only the user of the servers can access.
void make_private(const fs::path& path) {
  const UnprivilegedUser& user = unprivileged_user();
  if (mkdir(path.c_str(), 0700) != 0) throw_errno(path.string());
  if (user.must_switch && chown(path.c_str(), user.uid, user.gid) != 0) throw_errno(path.string());
}

/// A new folder under the temp directory, for the user of the servers.
fs::path make_temporary() {
  std::string name = temp_directory() + "/pgfanout.XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw_errno(name);
  const UnprivilegedUser& user = unprivileged_user();
  if (user.must_switch && chown(name.c_str(), user.uid, user.gid) != 0) throw_errno(name);
  return name;
}

/// Removes a tree, also if ending processes still write in it.
void remove_tree(const fs::path& path) {
  std::error_code error;
  for (int attempt = 0; attempt < 500; ++attempt) {
    fs::remove_all(path, error);
    if (!error) return;
    std::this_thread::sleep_for(milliseconds(10));
  }
  throw std::system_error(error, path.string());
}

bool runs_on(pid_t pid, const fs::path& data) {
  return pid > 0 && read_file("/proc/" + std::to_string(pid) + "/cmdline").find(data.string()) !=
                        std::string::npos;
}

/// Kills the postmaster of a dead test if it still runs. (The kernel has told it to stop.)
void end_orphan(const fs::path& data) {
  const pid_t pid = std::atoi(read_file(data / "postmaster.pid").c_str());
  for (int attempt = 0; attempt < 500 && runs_on(pid, data); ++attempt) {
    kill(pid, attempt < 400 ? SIGQUIT : SIGKILL);
    std::this_thread::sleep_for(milliseconds(10));
  }
}

/// Removes the folders whose test process is dead. The caller holds the lock of the cache folder.
void remove_left_behind() {
  for (const auto& entry : fs::directory_iterator(cache_directory() / "run")) {
    std::optional<FileLock> owner;
    try {
      owner.emplace(entry.path() / "owner", FileLock::Wait::no);
    } catch (const std::system_error&) {
      if (!fs::exists(entry.path())) continue;  // A test that ended has removed it meanwhile.
      throw;
    }
    if (!owner->held()) continue;
    end_orphan(entry.path() / "data");
    remove_tree(entry.path());
  }
}

/// "15.20" of "postgres (PostgreSQL) 15.20 (Debian ...)".
std::string version_of(const fs::path& binaries) {
  std::istringstream text(run_or_throw({binaries / "postgres", "--version"}, false));
  std::string word;
  for (int i = 0; i < 3; ++i) text >> word;
  return word;
}

bool executable_by_others(const fs::path& program) {
  std::error_code error;
  const auto has = [&](const fs::path& path) {
    return (fs::status(path, error).permissions() & fs::perms::others_exec) != fs::perms::none;
  };
  fs::path path = fs::canonical(program, error);
  while (!error && has(path) && path != path.root_path()) path = path.parent_path();
  return !error && has(path);
}

/// Copies the binaries, once, to a folder in which every user can execute them.
fs::path copy_within_reach(const fs::path& binaries) {
  const fs::path copy = kept_folder(temp_directory()) / ("server-" + version_of(binaries));
  const FileLock lock(copy.string() + ".lock");
  if (!fs::exists(copy)) {
    const std::string unfinished = copy.string() + ".unfinished";
    fs::remove_all(unfinished);
    run_or_throw({"cp", "-a", binaries.parent_path(), unfinished}, false);
    run_or_throw({"chmod", "-R", "a+rX", unfinished}, false);
    fs::rename(unfinished, copy);
  }
  return copy / "bin";
}

}  // namespace

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  return text.str();
}

int default_major() {
  const char* text = std::getenv("PGFANOUT_TEST_MAJOR");
  return text != nullptr && *text != '\0' ? std::atoi(text) : 15;
}

fs::path find_server(int major) {
  const std::string number = std::to_string(major);
  for (const fs::path& binaries : {fs::path("/usr/lib/postgresql") / number / "bin",
                                   fs::path(PGFANOUT_SERVERS_DIR) / number / "native" / "bin"}) {
    if (fs::exists(binaries / "initdb") && fs::exists(binaries / "postgres")) return binaries;
  }
  return {};
}

fs::path usable_server(int major) {
  fs::path binaries = find_server(major);
  if (binaries.empty()) {
    const std::string number = std::to_string(major);
    throw std::runtime_error("no PostgreSQL " + number +
                             " on this machine: run scripts/fetch-server " + number);
  }
  if (unprivileged_user().must_switch && !executable_by_others(binaries / "postgres")) {
    return copy_within_reach(binaries);
  }
  return binaries;
}

void make_cluster(const fs::path& binaries, const std::string& encoding, const std::string& locale,
                  const fs::path& data) {
  make_private(data);
  run_or_throw({binaries / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--no-sync",
                "--no-instructions", "--encoding=" + encoding, "--locale=" + locale},
               true);
}

void copy_fresh_cluster(const fs::path& binaries, const std::string& encoding,
                        const std::string& locale, const fs::path& data) {
  std::string key = version_of(binaries) + "-" + encoding + "-" + locale;
  std::replace(key.begin(), key.end(), '/', '_');
  const fs::path kept = cache_directory() / "templates" / key;
  const FileLock lock(kept.string() + ".lock");
  if (!fs::exists(kept)) {
    const fs::path unfinished = kept.string() + ".unfinished";
    fs::remove_all(unfinished);
    make_cluster(binaries, encoding, locale, unfinished);
    fs::rename(unfinished, kept);
  }
  run_or_throw({"cp", "-a", "--reflink=auto", kept, data}, false);
}

void copy_as_standby(const fs::path& from, const std::string& conninfo, const fs::path& data) {
  run_or_throw({"cp", "-a", "--reflink=auto", from, data}, false);
  std::ofstream(data / "standby.signal");
  std::ofstream(data / "postgresql.auto.conf") << "primary_conninfo = '" << conninfo << "'\n";
}

FileLock::FileLock(const fs::path& path, Wait wait)
    : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {
  if (fd_ < 0) throw_errno(path.string());
  int result = -1;
  do {
    result = flock(fd_, wait == Wait::yes ? LOCK_EX : LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EWOULDBLOCK) throw_errno(path.string());
  held_ = result == 0;
}

FileLock::~FileLock() {
  close(fd_);
}

RunDirectory::RunDirectory(Place place) {
  if (place == Place::temporary) {
    path_ = make_temporary();
    return;
  }
  static std::atomic<int> next{0};
  const FileLock lock(cache_directory() / "lock");
  remove_left_behind();
  path_ = cache_directory() / "run" / (std::to_string(getpid()) + "-" + std::to_string(next++));
  make_private(path_);
  owner_ = std::make_unique<FileLock>(path_ / "owner");
}

RunDirectory::~RunDirectory() {
  try {
    remove_tree(path_);
  } catch (const std::exception&) {
    // The next test that starts a server retries.
  }
}

}  // namespace pgfanout::harness

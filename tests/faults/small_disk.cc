#include "tests/faults/small_disk.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "tests/harness/child_process.h"

namespace pgfanout::testing {
namespace {

void write_to(const char* path, const std::string& text) {
  std::ofstream file(path);
  file << text;
}

/// A namespace of mounts; for users other than root in a namespace of users, where they may mount.
void leave_common_mounts() {
  static bool is_done = false;
  if (is_done) return;
  const std::string user = std::to_string(geteuid());
  const std::string group = std::to_string(getegid());
  const bool is_root = geteuid() == 0;
  if (unshare(is_root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) {
    throw std::runtime_error(std::string("this test mounts a small tmpfs: run it as root, or allow "
                                         "user namespaces (kernel.unprivileged_userns_clone): ") +
                             std::strerror(errno));
  }
  if (!is_root) {
    write_to("/proc/self/setgroups", "deny");
    write_to("/proc/self/uid_map", user + " " + user + " 1");
    write_to("/proc/self/gid_map", group + " " + group + " 1");
  }
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    throw std::runtime_error(std::string("cannot make mounts private: ") + std::strerror(errno));
  }
  is_done = true;
}

}  // namespace

SmallDisk::SmallDisk(std::size_t bytes) {
  leave_common_mounts();
  std::string name = harness::temp_directory() + "/pgfanout-disk-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = name;
  const std::string options = "mode=0755,size=" + std::to_string(bytes);
  if (mount("tmpfs", name.c_str(), "tmpfs", 0, options.c_str()) != 0) {
    const std::string why = std::strerror(errno);
    rmdir(name.c_str());
    throw std::runtime_error(
        "cannot mount a small tmpfs, which a container may need CAP_SYS_ADMIN "
        "for: " +
        why);
  }
  std::filesystem::permissions(path_, std::filesystem::perms(0755));
}

SmallDisk::~SmallDisk() {
  umount2(path_.c_str(), MNT_DETACH);
  rmdir(path_.c_str());
}

std::string SmallDisk::make_folder(const std::string& name) const {
  const std::filesystem::path folder = path_ / name;
  std::filesystem::create_directory(folder);
  std::filesystem::permissions(folder, std::filesystem::perms::owner_all);
  const harness::UnprivilegedUser& user = harness::unprivileged_user();
  if (user.must_switch && chown(folder.c_str(), user.uid, user.gid) != 0) {
    throw std::runtime_error("cannot give away " + folder.string());
  }
  return folder;
}

std::size_t SmallDisk::free_bytes() const {
  return std::filesystem::space(path_).available;
}

void SmallDisk::fill_but(std::size_t bytes) const {
  remove_ballast();
  const std::size_t free = free_bytes();
  if (free <= bytes) return;
  const int fd = open((path_ / "ballast").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const int error = fd < 0 ? errno : posix_fallocate(fd, 0, static_cast<off_t>(free - bytes));
  if (fd >= 0) close(fd);
  if (error != 0) throw std::runtime_error(std::string("no ballast: ") + std::strerror(error));
}

void SmallDisk::remove_ballast() const {
  std::filesystem::remove(path_ / "ballast");
}

}  // namespace pgfanout::testing

#include "copier/report/html/report_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

Error cannot(const std::string& path, std::string_view what, int number) {
  return refused("report-file", fmt::format("the report {}: {}", what, std::strerror(number)),
                 "name a file in a folder that exists and that you may write to", printable(path));
}

/// A file of a new name beside `path`.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path) : name_(path + ".XXXXXX") {
    fd_ = mkostemp(name_.data(), O_CLOEXEC);
    number_ = errno;
  }
  ~TemporaryFile() {
    if (fd_ >= 0) close(fd_);
    if (fd_ >= 0 && !is_kept_) unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] bool is_open() const { return fd_ >= 0; }
  [[nodiscard]] int number() const { return number_; }

  bool write_all(std::string_view text) {
    while (!text.empty()) {
      const ssize_t bytes = write(fd_, text.data(), text.size());
      if (bytes < 0 && errno == EINTR) continue;
      if (bytes < 0) return failed();
      text.remove_prefix(static_cast<std::size_t>(bytes));
    }
    // mkostemp() makes files that only their owner may read; this one gets the usual mode, 0666
    // less the umask.
    const mode_t mask = umask(0);
    umask(mask);
    return (fchmod(fd_, 0666 & ~mask) == 0 && fsync(fd_) == 0) || failed();
  }

  bool take_name(const std::string& path) {
    if (rename(name_.c_str(), path.c_str()) != 0) return failed();
    is_kept_ = true;
    return true;
  }

 private:
  bool failed() {
    number_ = errno;
    return false;
  }

  std::string name_;
  int fd_ = -1;
  int number_ = 0;
  bool is_kept_ = false;
};

}  // namespace

Result<void> check_report_file(const std::string& path) {
  struct stat about {};
  // A device or a pipe would be replaced by a file.
  if (stat(path.c_str(), &about) == 0 && !S_ISREG(about.st_mode)) {
    return cannot(path, "must be an ordinary file", S_ISDIR(about.st_mode) ? EISDIR : EEXIST);
  }
  const TemporaryFile file(path);
  if (!file.is_open()) return cannot(path, "cannot be written", file.number());
  return {};
}

Result<void> write_report_file(const std::string& path, std::string_view text) {
  TemporaryFile file(path);
  if (file.is_open() && file.write_all(text) && file.take_name(path)) return {};
  return cannot(path, "could not be written", file.number());
}

}  // namespace pgfanout

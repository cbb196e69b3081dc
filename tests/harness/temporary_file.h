// A file for a command to read. The destructor removes it.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace pgfanout::harness {

class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content, std::string_view suffix = ".toml") {
    std::string name = (std::filesystem::temp_directory_path() / "pgfanout-test-XXXXXX").string() +
                       std::string(suffix);
    const int fd = mkstemps(name.data(), static_cast<int>(suffix.size()));
    if (fd < 0) throw std::runtime_error("no temporary file");
    close(fd);
    path_ = name;
    std::ofstream(path_) << content;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace pgfanout::harness

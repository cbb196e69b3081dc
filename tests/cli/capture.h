// Takes what is written to a stream.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

namespace pgfanout {

/// A nameless file, whose descriptor stands for an output stream.
class Capture {
 public:
  Capture() : file_(std::tmpfile()) {}
  ~Capture() { std::fclose(file_); }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  [[nodiscard]] int fd() const { return fileno(file_); }
  [[nodiscard]] std::string text() const {
    std::string all;
    std::array<char, 4096> piece{};
    for (ssize_t n = 0;
         (n = pread(fd(), piece.data(), piece.size(), static_cast<off_t>(all.size()))) > 0;) {
      all.append(piece.data(), static_cast<std::size_t>(n));
    }
    return all;
  }

 private:
  std::FILE* file_;
};

}  // namespace pgfanout

// Terminals, pipes and files that people and scripts read: their abilities, and writes that no
// reader can block.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace pgfanout {

/// Whether the live view can be drawn: a terminal, and not a dumb one.
[[nodiscard]] bool is_live_terminal(int fd);
struct TerminalSize {
  unsigned columns = 80;
  unsigned rows = 24;
};
/// At this moment; 80 by 24 if the terminal does not say.
[[nodiscard]] TerminalSize terminal_size(int fd);
/// Whether the locale of the environment is UTF-8.
[[nodiscard]] bool locale_is_utf8();
/// The same for these values of LC_ALL, LC_CTYPE and LANG; null or empty: not set.
[[nodiscard]] bool is_utf8_locale(const char* lc_all, const char* lc_ctype, const char* lang);
/// Whether the environment allows colour on a terminal (NO_COLOR is not set).
[[nodiscard]] bool color_is_wanted();

struct WriteOutcome {
  std::size_t bytes = 0;   ///< Written.
  bool is_broken = false;  ///< The reader is gone, or the disk is full.
};

/// Writes all of `text`; stops when nothing could be written for `patience`. SIGPIPE must be
/// ignored. Works on blocking descriptors, and does not change their flags, which other processes
/// share.
WriteOutcome write_patiently(int fd, std::string_view text, std::chrono::milliseconds patience);

/// Replaces the file in one step: a new file beside it takes its name when it is complete. Returns
/// 0 or errno. `is_durable`: waits until the disk has it.
[[nodiscard]] int replace_file(const std::string& path, std::string_view text, mode_t mode,
                               bool is_durable);
/// Whether replace_file() can make a file beside `path`, which it leaves alone: 0 or errno.
[[nodiscard]] int try_replace_file(const std::string& path);

}  // namespace pgfanout

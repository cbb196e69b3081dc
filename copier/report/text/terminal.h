// The file descriptors that a person or a script reads from: what they can show, and writing to
// them without being stopped by a reader that went away or does not read.
#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

namespace pgfanout {

/// Whether a live line can be drawn: a terminal that is not dumb.
[[nodiscard]] bool is_live_terminal(int fd);
struct TerminalSize {
  unsigned columns = 80;
  unsigned rows = 24;
};
/// Of the terminal at this moment; 80 by 24 if it does not say.
[[nodiscard]] TerminalSize terminal_size(int fd);
/// Whether the locale of the environment is UTF-8.
[[nodiscard]] bool locale_is_utf8();
/// The same for given values of LC_ALL, LC_CTYPE and LANG; null or empty: not set.
[[nodiscard]] bool is_utf8_locale(const char* lc_all, const char* lc_ctype, const char* lang);
/// Whether the environment allows colour on a terminal (NO_COLOR is not set).
[[nodiscard]] bool color_is_wanted();

struct WriteOutcome {
  std::size_t bytes = 0;   ///< Written.
  bool is_broken = false;  ///< Nobody will read any more, or the disk is full.
};

/// Writes all of `text`, but gives up when nothing could be written for `patience`. Needs SIGPIPE
/// to be ignored. Works on blocking descriptors and leaves their flags alone, since others share
/// them.
WriteOutcome write_patiently(int fd, std::string_view text, std::chrono::milliseconds patience);

}  // namespace pgfanout

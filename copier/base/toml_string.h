// Text as TOML takes it: for job files, and hints that say what to write into one.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace pgfanout {

/// A basic string, with its quotes, on one line.
[[nodiscard]] inline std::string toml_string(std::string_view text) {
  std::string quoted = "\"";
  for (const char byte : text) {
    if (byte == '"' || byte == '\\') quoted += '\\';
    const auto code = static_cast<unsigned char>(byte);
    quoted += code < 0x20U || code == 0x7FU ? fmt::format("\\u{:04x}", code) : std::string(1, byte);
  }
  return quoted + '"';
}

}  // namespace pgfanout

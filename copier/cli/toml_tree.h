// A TOML document as a plain tree, in the order in which it is written, with a position for each
// name and value. The only file that sees the TOML library is behind it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/result.h"

namespace pgfanout {

/// Both count from 1.
struct TomlPosition {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

struct TomlMember;

enum class TomlKind : std::uint8_t { text, integer, decimal, flag, date, list, table };

struct TomlValue {
  TomlKind kind = TomlKind::table;
  std::string text;                 ///< A text's content; "42", "1.5", "true" for other scalars.
  std::vector<TomlValue> items;     ///< Of a list.
  std::vector<TomlMember> members;  ///< Of a table.
  TomlPosition at;
};

struct TomlMember {
  std::string name;
  TomlPosition at;  ///< Of the name.
  TomlValue value;
};

/// "a string", "a table", ...: what a person calls it.
[[nodiscard]] std::string_view name_of(TomlKind kind);

/// An error of code "job-file": `file`:line:column in where, and what to do.
[[nodiscard]] Error job_file_error(std::string_view file, TomlPosition at, std::string message,
                                   std::string hint = {});

/// The root table. `file` is only a name for messages. A message never quotes from a line that
/// could carry a password.
Result<TomlValue> parse_toml(std::string_view text, std::string_view file);

}  // namespace pgfanout

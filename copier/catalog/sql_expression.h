// The functions that an SQL expression calls, and whether it may give another value when it is
// evaluated again.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// For SQL that is one call of nextval(), perhaps cast or in parentheses: the literal that names
/// the sequence, in its quotes. Absent for anything else.
[[nodiscard]] std::optional<std::string> nextval_literal(std::string_view sql);

/// A function call in an expression; `schema` is empty where it is not written.
struct CalledFunction {
  std::string schema;
  std::string name;
  friend bool operator==(const CalledFunction&, const CalledFunction&) = default;
};

/// The functions that an expression calls, found by its words without grammar: key words that look
/// like calls are among them.
[[nodiscard]] std::vector<CalledFunction> called_functions(std::string_view sql);

/// Whether it names the time, the session or the user: now(), CURRENT_DATE, session_user, ...
[[nodiscard]] bool depends_on_session(std::string_view sql);

/// By provolatile of every function that is called, and by depends_on_session(): stable functions
/// of the time differ between a copy and a later comparison. `path`: the search_path under which
/// the expression is evaluated.
Result<bool> is_volatile(Connection& connection, std::string_view sql,
                         const std::string& path = "''");

}  // namespace pgfanout

// Whether an SQL expression may give another value when it is evaluated again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A function call in an expression; `schema` is empty where it is not written.
struct CalledFunction {
  std::string schema;
  std::string name;
  friend bool operator==(const CalledFunction&, const CalledFunction&) = default;
};

/// The functions that an expression calls, found by its words: string literals, quoted names and
/// comments are understood, grammar is not. Key words that look like calls are among them.
[[nodiscard]] std::vector<CalledFunction> called_functions(std::string_view sql);

/// Whether it names the time, the session or the user: now(), CURRENT_DATE, session_user, ...
[[nodiscard]] bool depends_on_session(std::string_view sql);

/// By the catalog's word (provolatile) for every function that is called, and by
/// depends_on_session(): stable functions of the time differ between a copy and a later comparison.
Result<bool> is_volatile(Connection& connection, std::string_view sql);

}  // namespace pgfanout

// The return type of fallible functions. An error says its consequence, so that no caller has to
// guess whether to continue, and everything a person needs to act: what, where, and what to do.
#pragma once

#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace pgfanout {

/// The consequence of an error for the job. The exit code follows from it.
enum class Consequence : std::uint8_t {
  refuse,     ///< The same command would end the same way (exit 2).
  interrupt,  ///< Stopped part-way; nothing is damaged (exit 3).
  unproven,   ///< A check did not run to its end (exit 4).
};

struct Error {
  Consequence consequence = Consequence::refuse;
  std::string code;           ///< Stable kebab-case name, for example "key-null".
  std::string message;        ///< The problem, in one sentence without a final stop.
  std::string where = {};     ///< Relation, leaf, range or row.
  std::string hint = {};      ///< The remedy.
  std::string sqlstate = {};  ///< Five characters if a server said so.
  std::string key = {};       ///< Of rows that are not unique: the columns or expressions, as SQL.
};

/// An error that ends the command with exit 2.
[[nodiscard]] inline Error refused(std::string code, std::string message, std::string hint = {},
                                   std::string where = {}) {
  return {Consequence::refuse, std::move(code), std::move(message), std::move(where),
          std::move(hint)};
}

/// An error that ends the command with exit 3.
[[nodiscard]] inline Error interrupted(std::string code, std::string message, std::string hint = {},
                                       std::string where = {}) {
  return {Consequence::interrupt, std::move(code), std::move(message), std::move(where),
          std::move(hint)};
}

/// An error that ends the command with exit 4.
[[nodiscard]] inline Error unproven(std::string code, std::string message, std::string hint = {},
                                    std::string where = {}) {
  return {Consequence::unproven, std::move(code), std::move(message), std::move(where),
          std::move(hint)};
}

/// The error of work that ends because the user or the job's watch asked for it.
[[nodiscard]] inline Error cancelled() {
  return interrupted("cancelled", "stopped on request");
}

/// A value or the error that took its place. Never ignored silently.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(Error error) : tl::expected<T, Error>(tl::unexpect, std::move(error)) {}
};

}  // namespace pgfanout

#define PGFANOUT_CONCAT_INNER(a, b) a##b
#define PGFANOUT_CONCAT(a, b) PGFANOUT_CONCAT_INNER(a, b)

/// Evaluates a Result<void>; on error returns that error from the enclosing function.
#define PGFANOUT_TRY(expression) \
  PGFANOUT_TRY_INNER(PGFANOUT_CONCAT(try_result_, __COUNTER__), expression)
#define PGFANOUT_TRY_INNER(result, expression)   \
  do {                                           \
    if (auto&& result = (expression); !result) { \
      return std::move(result).error();          \
    }                                            \
  } while (false)

/// Declares `declaration` from a Result<T>; on error returns that error from the enclosing
/// function.
#define PGFANOUT_TRY_ASSIGN(declaration, expression) \
  PGFANOUT_TRY_ASSIGN_INNER(PGFANOUT_CONCAT(try_value_, __COUNTER__), declaration, expression)
#define PGFANOUT_TRY_ASSIGN_INNER(temporary, declaration, expression) \
  auto temporary = (expression);                                      \
  if (!temporary) return std::move(temporary).error();                \
  declaration = std::move(*temporary)

// The inside of a key expression: its types and refusals, and its forms on the way to a result:
// parsed, typed, compiled, run.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hashing/key_expression.h"
#include "pgfanout/result.h"
#include "pgfanout/row_view.h"

namespace pgfanout::keyexpr {

/// Of ASCII letters, whatever the locale.
[[nodiscard]] constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// The text in quotes, with those in it doubled.
[[nodiscard]] std::string doubled(std::string_view text, char quote);

/// As an SQL literal: with a backslash it is E'', since only there it means the same under either
/// setting of standard_conforming_strings.
[[nodiscard]] std::string string_literal(std::string_view text);

// --- Types, and the server's hash functions.

[[nodiscard]] constexpr bool is_integer(KeyType type) {
  return type == KeyType::int2 || type == KeyType::int4 || type == KeyType::int8;
}

/// The types that the server casts to each other implicitly.
[[nodiscard]] constexpr bool is_textual(KeyType type) {
  return type == KeyType::text || type == KeyType::varchar || type == KeyType::bpchar;
}

/// Held in registers as an int64; all other types are views of bytes.
[[nodiscard]] constexpr bool is_held_as_integer(KeyType type) {
  return is_integer(type) || type == KeyType::boolean;
}

/// Whether an expression may name a column of that type.
[[nodiscard]] constexpr bool is_of_expressions(KeyType type) {
  return type < KeyType::other;
}

/// The bytes of a field of a fixed-width type; 0 for any.
[[nodiscard]] std::int32_t width_of(KeyType type);

/// int2 < int4 < int8.
[[nodiscard]] constexpr KeyType wider(KeyType left, KeyType right) {
  return static_cast<KeyType>(
      std::max(static_cast<std::uint8_t>(left), static_cast<std::uint8_t>(right)));
}

/// Whether the server casts `from` to `to` implicitly in a function call.
[[nodiscard]] bool casts_implicitly(KeyType from, KeyType to);

/// Whether `value` is in the range of an integer type.
[[nodiscard]] bool fits(std::int64_t value, KeyType type);

/// The number in a string literal that becomes an integer: blanks around it and a sign are allowed.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text);

/// As format_type() prints it: "bigint", "character varying".
[[nodiscard]] std::string_view display_name(KeyType type);

/// The type's name in pg_type: "int8", "varchar".
[[nodiscard]] std::string_view catalog_name(KeyType type);

/// The type that a cast to `name` means, or `other`. Words that are grammar (`integer`) count only
/// if `keyword_allowed`: quoted or after pg_catalog, they are no type's name.
[[nodiscard]] KeyType castable_type(std::string_view name, bool keyword_allowed);

struct HashFunction {
  std::string_view name;
  KeyType argument;  ///< Of the first parameter; the second, if any, is an int8 seed.
  bool extended;     ///< Takes a seed and returns int8; else int4.
};

/// The function called `name`, or nullptr.
[[nodiscard]] const HashFunction* find_hash_function(std::string_view name);

/// A refusal at byte `offset` of `sql`. Its `where` is one line of the expression (the part around
/// the place, if it is long; line breaks shown as blanks) and a line with a caret under the place,
/// counted in characters of UTF-8.
[[nodiscard]] Error key_error(std::string_view sql, std::size_t offset, std::string message,
                              std::string hint = {});

inline constexpr std::string_view what_is_supported =
    "supported are columns, integers, 'text', NULL, casts, || + - * / % & | #, coalesce, nullif, "
    "abs, mod and the server's hash functions";

/// The base of the passes over an expression: each may refuse a place in it.
class Pass {
 protected:
  explicit Pass(std::string_view sql) : sql_(sql) {}

  [[nodiscard]] Error error(std::size_t offset, std::string message, std::string hint = {}) const {
    return key_error(sql_, offset, std::move(message), std::move(hint));
  }

  const std::string_view sql_;
};

// --- Parsed: nodes in one vector, children before their parents, never nested deeper than
// max_depth, so that recursion over them is safe.

inline constexpr std::uint32_t max_depth = 100;

enum class SyntaxKind : std::uint8_t {
  integer,   ///< `magnitude`, negated if `negative`; fits into int8.
  string,    ///< `text`; its type is still unknown.
  null,      ///< NULL; its type is still unknown.
  column,    ///< `text` is the column's name.
  call,      ///< `text` is the function's name, the arguments are children.
  unary,     ///< `text` is + or -.
  binary,    ///< `text` is the operator.
  cast,      ///< One child, to `type`.
  coalesce,  ///< One child or more.
  nullif,    ///< Two children.
};

struct SyntaxNode {
  SyntaxKind kind = SyntaxKind::null;
  std::size_t offset = 0;  ///< Where in the expression to put the caret.
  std::string text;
  std::uint64_t magnitude = 0;
  bool negative = false;
  KeyType type = KeyType::other;
  std::vector<std::uint32_t> children;
  std::uint32_t depth = 1;
};

struct SyntaxTree {
  std::vector<SyntaxNode> nodes;
  std::uint32_t root = 0;
};

/// Parses `sql`; grammar and precedence are in KEY_EXPRESSION.md.
Result<SyntaxTree> parse_key_expression(std::string_view sql);

// --- Typed: every implicit cast of the server is a node of its own, and every operation is one
// that the evaluator can do.

/// The operation that a node, and later an instruction, computes. All but load, constant, coalesce
/// and nullif are strict: NULL if an operand is.
enum class Operation : std::uint8_t {
  load,      ///< A column, of `type`.
  constant,  ///< A literal, of `type`.
  // Over integers, range-checked to `type`.
  add,
  subtract,
  multiply,
  divide,
  modulo,
  bit_and,
  bit_or,
  bit_xor,
  negate,
  absolute,
  narrow,  ///< To `type`.
  // To text.
  integer_to_text,
  boolean_to_text,
  uuid_to_text,
  strip_blanks,  ///< Trailing blanks off.
  concatenate,
  // Of operands of `type`.
  coalesce,  ///< The first that is not NULL; errors after it do not count.
  nullif,    ///< NULL if both are equal, else the left one.
  // Hashes. One operation serves all integer widths: a value's hash does not depend on the width.
  hash_bytes,
  hash_bytes_extended,
  hash_integer,
  hash_integer_extended,
};

struct TypedNode {
  Operation operation = Operation::constant;
  KeyType type = KeyType::other;
  std::size_t offset = 0;
  std::size_t column = 0;    ///< load: index into the columns.
  bool null = false;         ///< constant: NULL.
  std::int64_t integer = 0;  ///< constant of an integer type.
  std::string text;          ///< constant of a textual type.
  std::vector<std::uint32_t> operands;
};

struct TypedTree {
  std::vector<TypedNode> nodes;
  std::uint32_t root = 0;
  KeyType type = KeyType::other;  ///< int2, int4 or int8.
};

/// Resolves names, types and overloads as the server does. `sql` is for messages.
Result<TypedTree> check_types(std::string_view sql, const SyntaxTree& syntax,
                              std::span<const KeyColumn> columns);

// --- Compiled: a flat list of instructions over registers, each of which holds one value for every
// row of a sub-batch. Every instruction writes a register of its own, so a register is written once
// a sub-batch.

/// An operand: a register, or one of the program's constants.
struct Slot {
  std::uint16_t index = 0;
  bool constant = false;
  bool operator==(const Slot&) const = default;
};

struct Instruction {
  Operation operation = Operation::load;
  KeyType type = KeyType::other;
  std::uint16_t target = 0;  ///< Register.
  std::uint16_t field = 0;   ///< load: which of a row's fields.
  Slot left;
  Slot right;
  bool operator==(const Instruction&) const = default;
};

/// One value. `view` is what instructions read; it points into `text`, so a constant must not move.
struct Constant {
  KeyState state = KeyState::ok;
  std::int64_t integer = 0;
  std::string text;
  std::string_view view;
  bool operator==(const Constant&) const = default;
};

struct Program {
  std::vector<Instruction> instructions;
  std::deque<Constant> constants;  // A deque: its elements never move.
  std::uint16_t registers = 0;
  Slot result;
  std::vector<std::size_t> used_columns;
  bool operator==(const Program&) const = default;
};

/// Emits the program of a checked expression into `program`, which is empty. Constant parts are
/// computed here; one that fails is refused, since the server fails on it while planning.
Result<void> compile_program(std::string_view sql, const TypedTree& tree, Program& program);

// --- Run: instructions over a sub-batch of rows.

/// Small enough that the registers of a usual expression stay in the first-level cache.
inline constexpr std::size_t sub_batch_rows = 256;

/// One value for every row. Which of `integers` and `texts` counts follows from the value's type;
/// a value is meaningful only where its state is ok.
struct Register {
  std::array<std::int64_t, sub_batch_rows> integers;
  std::array<std::string_view, sub_batch_rows> texts;  // Into the batch, a constant, or `bytes`.
  std::array<KeyState, sub_batch_rows> states;
  bool all_ok = false;              // No state but ok.
  std::vector<std::uint8_t> bytes;  // Text that the instruction made. Only ever grows.
};

/// Working memory for a program.
struct Frame {
  std::vector<std::unique_ptr<Register>> registers;
  std::array<bool, sub_batch_rows> malformed;  // Meaningful only if any_malformed.
  bool any_malformed = false;
};

/// The rows of one sub-batch, as KeyExpression::evaluate() gets them.
struct SubBatch {
  const std::uint8_t* base = nullptr;
  const FieldRef* fields = nullptr;
  std::size_t fields_per_row = 0;
  std::size_t rows = 0;  ///< At most sub_batch_rows.
};

/// Executes one instruction; its operands have been computed for the same rows.
void execute(const Instruction& instruction, const Program& program, Frame& frame,
             const SubBatch& batch);

}  // namespace pgfanout::keyexpr

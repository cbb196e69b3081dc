// A key expression after type checking: every implicit cast of the server is a node of its own, and
// every operation is one that the evaluator can do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hashing/key_expression.h"
#include "hashing/key_syntax.h"
#include "pgfanout/result.h"

namespace pgfanout::keyexpr {

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
  coalesce,  ///< The first that is not NULL; errors behind it do not count.
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

/// The column of `columns` called `name`, or no_column.
[[nodiscard]] std::size_t find_column(std::span<const KeyColumn> columns, std::string_view name);
inline constexpr std::size_t no_column = static_cast<std::size_t>(-1);

}  // namespace pgfanout::keyexpr

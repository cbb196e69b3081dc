// The forms of a key expression: parsed, typed, and compiled to a program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hashing/key_expression.h"
#include "pgfanout/result.h"

namespace pgfanout::keyexpr {

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

// --- Compiled: a flat list of instructions over registers, each of which holds one value for every
// row of a sub-batch. Every instruction writes a register of its own, so a register is written once
// a sub-batch.

/// Where an operand comes from: a register, or one of the program's constants.
struct Slot {
  std::uint16_t index = 0;
  bool constant = false;
};

struct Instruction {
  Operation operation = Operation::load;
  KeyType type = KeyType::other;
  std::uint16_t target = 0;  ///< Register.
  std::uint16_t field = 0;   ///< load: which of a row's fields.
  Slot left;
  Slot right;
};

/// One value. `view` is what instructions read; it points into `text`, so a constant stays put.
struct Constant {
  KeyState state = KeyState::ok;
  std::int64_t integer = 0;
  std::string text;
  std::string_view view;
};

struct Program {
  std::vector<Instruction> instructions;
  std::deque<Constant> constants;  // A deque: its elements never move.
  std::uint16_t registers = 0;
  Slot result;
  std::vector<std::size_t> used_columns;
};

/// Emits the program of a checked expression into `program`, which is empty. Constant parts are
/// computed here; one that fails is refused, since the server fails on it while planning.
Result<void> compile_program(std::string_view sql, const TypedTree& tree, Program& program);

}  // namespace pgfanout::keyexpr

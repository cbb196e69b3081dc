// The compiled form of a key expression: a flat list of instructions over registers, each of which
// holds one value for every row of a sub-batch. Every instruction writes a register of its own, so
// a register is written once a sub-batch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "hashing/key_expression.h"
#include "hashing/key_typed.h"
#include "pgfanout/result.h"

namespace pgfanout::keyexpr {

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

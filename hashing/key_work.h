// Shared by the kernels: operands seen as columns (a constant is a column whose stride is zero),
// and the loop over rows. Rows that are NULL or failed keep that state: the first failed operand
// wins, as on the server, which evaluates operands from left to right before it looks for NULL.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "hashing/key_kernels.h"

namespace pgfanout::keyexpr {

template <class Value>
struct Column {
  const Value* values;
  const KeyState* states;
  std::size_t stride;
  bool all_ok;

  [[nodiscard]] const Value& value(std::size_t row) const { return values[row * stride]; }
  [[nodiscard]] KeyState state(std::size_t row) const { return states[row * stride]; }
};
using Integers = Column<std::int64_t>;
using Texts = Column<std::string_view>;

/// The data that one kernel works with.
struct Work {
  const Instruction& instruction;
  const Program& program;
  Frame& frame;
  const SubBatch& batch;

  [[nodiscard]] Register& target() const { return *frame.registers[instruction.target]; }

  [[nodiscard]] Integers integers(Slot slot) const {
    if (slot.constant) {
      const Constant& constant = program.constants[slot.index];
      return {&constant.integer, &constant.state, 0, constant.state == KeyState::ok};
    }
    const Register& from = *frame.registers[slot.index];
    return {from.integers.data(), from.states.data(), 1, from.all_ok};
  }

  [[nodiscard]] Texts texts(Slot slot) const {
    if (slot.constant) {
      const Constant& constant = program.constants[slot.index];
      return {&constant.view, &constant.state, 0, constant.state == KeyState::ok};
    }
    const Register& from = *frame.registers[slot.index];
    return {from.texts.data(), from.states.data(), 1, from.all_ok};
  }
};

[[nodiscard]] inline bool failed(KeyState state) {
  return state > KeyState::null;
}

[[nodiscard]] inline KeyState combine(KeyState left, KeyState right) {
  if (failed(left)) return left;
  return failed(right) ? right : std::max(left, right);
}

/// Sets the state of every row to what `compute` returns, or to that of a NULL or failed operand.
template <class Left, class Compute>
void each_row(const Work& work, const Left& left, Compute compute) {
  Register& out = work.target();
  bool all_ok = true;
  for (std::size_t row = 0; row < work.batch.rows; ++row) {
    KeyState state = left.all_ok ? KeyState::ok : left.state(row);
    if (state == KeyState::ok) state = compute(row);
    out.states[row] = state;
    all_ok &= state == KeyState::ok;
  }
  out.all_ok = all_ok;
}

template <class Left, class Right, class Compute>
void each_row(const Work& work, const Left& left, const Right& right, Compute compute) {
  Register& out = work.target();
  const bool inputs_ok = left.all_ok && right.all_ok;
  bool all_ok = true;
  for (std::size_t row = 0; row < work.batch.rows; ++row) {
    KeyState state = inputs_ok ? KeyState::ok : combine(left.state(row), right.state(row));
    if (state == KeyState::ok) state = compute(row);
    out.states[row] = state;
    all_ok &= state == KeyState::ok;
  }
  out.all_ok = all_ok;
}

// Kernels that make text, in key_text_kernels.cc.
void integer_to_text(const Work& work);
void boolean_to_text(const Work& work);
void uuid_to_text(const Work& work);
void strip_blanks(const Work& work);
void concatenate(const Work& work);

}  // namespace pgfanout::keyexpr

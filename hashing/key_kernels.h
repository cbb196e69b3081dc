// Runs instructions over a sub-batch of rows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "hashing/key_expression.h"
#include "hashing/key_forms.h"
#include "pgfanout/row_view.h"

namespace pgfanout::keyexpr {

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

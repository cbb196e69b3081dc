// Emits instructions in post-order and folds constants on the way, as the server's planner does:
// a strict operation with a NULL constant is NULL whatever its other operands are, nullif with a
// NULL constant is its left operand, and coalesce stops at its first constant that is not NULL.
#include <array>
#include <optional>
#include <unordered_map>
#include <utility>

#include "hashing/key_forms.h"

namespace pgfanout::keyexpr {
namespace {

class Compiler : Pass {
 public:
  Compiler(std::string_view sql, const TypedTree& tree, Program& program)
      : Pass(sql), tree_(tree), program_(program) {}

  Result<void> run() {
    PGFANOUT_TRY_ASSIGN(program_.result, emit(tree_.root));
    return {};
  }

 private:
  Result<Slot> emit(std::uint32_t index) {
    const TypedNode& node = tree_.nodes[index];
    switch (node.operation) {
      case Operation::constant:
        return add_constant(
            {node.null ? KeyState::null : KeyState::ok, node.integer, node.text, {}});
      case Operation::load:
        return load(node);
      case Operation::coalesce:
        return coalesce(node);
      default:
        return operation(node);
    }
  }

  /// A column is loaded once, however often it is named.
  Slot load(const TypedNode& node) {
    const auto [position, is_new] = loaded_.try_emplace(node.column);
    if (is_new) {
      Instruction instruction;
      instruction.operation = Operation::load;
      instruction.type = node.type;
      instruction.field = static_cast<std::uint16_t>(program_.used_columns.size());
      program_.used_columns.push_back(node.column);
      position->second = add_instruction(instruction);
    }
    return position->second;
  }

  Result<Slot> coalesce(const TypedNode& node) {
    std::optional<Slot> result;
    for (const std::uint32_t operand : node.operands) {
      PGFANOUT_TRY_ASSIGN(const Slot slot, emit(operand));
      if (is_null(slot)) continue;
      result = result ? add_instruction(instruction_of(node, *result, slot)) : slot;
      if (slot.constant) break;
    }
    return result ? *result : null_constant();
  }

  Result<Slot> operation(const TypedNode& node) {
    std::array<Slot, 2> slots;
    for (std::size_t i = 0; i < node.operands.size(); ++i) {
      PGFANOUT_TRY_ASSIGN(slots[i], emit(node.operands[i]));
    }
    const bool one_operand = node.operands.size() == 1;
    const Instruction instruction =
        instruction_of(node, slots[0], one_operand ? slots[0] : slots[1]);
    if (is_null(instruction.left) || is_null(instruction.right)) {
      return node.operation == Operation::nullif ? instruction.left : null_constant();
    }
    if (instruction.left.constant && instruction.right.constant) return fold(node, instruction);
    return add_instruction(instruction);
  }

  /// Runs the instruction over one row without fields.
  Result<Slot> fold(const TypedNode& node, const Instruction& instruction) {
    Frame frame;
    frame.registers.push_back(std::make_unique<Register>());
    SubBatch one_row;
    one_row.rows = 1;
    execute(instruction, program_, frame, one_row);
    const Register& out = *frame.registers[0];
    Constant constant;
    constant.state = out.states[0];
    if (constant.state > KeyState::null) {
      const bool range = constant.state == KeyState::out_of_range;
      return error(node.offset,
                   range ? "this is always out of range" : "this always divides by zero",
                   "the server would refuse it before the first row");
    }
    if (constant.state == KeyState::ok) {
      if (is_held_as_integer(instruction.type)) {
        constant.integer = out.integers[0];
      } else {
        constant.text = out.texts[0];
      }
    }
    return add_constant(std::move(constant));
  }

  static Instruction instruction_of(const TypedNode& node, Slot left, Slot right) {
    Instruction instruction;
    instruction.operation = node.operation;
    instruction.type = node.type;
    instruction.left = left;
    instruction.right = right;
    return instruction;
  }

  Slot add_instruction(Instruction instruction) {
    instruction.target = program_.registers++;
    program_.instructions.push_back(instruction);
    return {instruction.target, false};
  }

  Slot add_constant(Constant constant) {
    program_.constants.push_back(std::move(constant));
    Constant& stored = program_.constants.back();
    stored.view = stored.text;
    return {static_cast<std::uint16_t>(program_.constants.size() - 1), true};
  }

  Slot null_constant() { return add_constant({KeyState::null, 0, {}, {}}); }

  [[nodiscard]] bool is_null(Slot slot) const {
    return slot.constant && program_.constants[slot.index].state == KeyState::null;
  }

  const TypedTree& tree_;
  Program& program_;
  std::unordered_map<std::size_t, Slot> loaded_;
};

}  // namespace

Result<void> compile_program(std::string_view sql, const TypedTree& tree, Program& program) {
  return Compiler(sql, tree, program).run();
}

}  // namespace pgfanout::keyexpr

// The public face: ties parser, checker, compiler and kernels together, and cuts a batch into
// sub-batches.
#include "hashing/key_expression.h"

#include <algorithm>
#include <utility>

#include "hashing/key_kernels.h"
#include "hashing/key_printer.h"
#include "hashing/key_program.h"
#include "hashing/key_syntax.h"
#include "hashing/key_typed.h"

namespace pgfanout {

struct KeyScratch::Registers : keyexpr::Frame {};

KeyScratch::KeyScratch() : registers_(std::make_unique<Registers>()) {}
KeyScratch::~KeyScratch() = default;
KeyScratch::KeyScratch(KeyScratch&&) noexcept = default;
KeyScratch& KeyScratch::operator=(KeyScratch&&) noexcept = default;

struct KeyExpression::Program : keyexpr::Program {
  std::string sql;
  std::vector<std::string> column_names;
  keyexpr::SyntaxTree syntax;
  KeyType result_type = KeyType::other;
};

KeyExpression::KeyExpression(std::shared_ptr<const Program> program)
    : program_(std::move(program)) {}

Result<KeyExpression> KeyExpression::compile(std::string_view sql,
                                             std::span<const KeyColumn> columns) {
  auto program = std::make_shared<Program>();
  PGFANOUT_TRY_ASSIGN(program->syntax, keyexpr::parse_key_expression(sql));
  PGFANOUT_TRY_ASSIGN(const keyexpr::TypedTree typed,
                      keyexpr::check_types(sql, program->syntax, columns));
  PGFANOUT_TRY(keyexpr::compile_program(sql, typed, *program));
  program->sql = sql;
  program->result_type = typed.type;
  for (const KeyColumn& column : columns) program->column_names.push_back(column.name);
  return KeyExpression(std::move(program));
}

const std::vector<std::size_t>& KeyExpression::used_columns() const {
  return program_->used_columns;
}

KeyType KeyExpression::result_type() const {
  return program_->result_type;
}

const std::string& KeyExpression::sql() const {
  return program_->sql;
}

std::string KeyExpression::qualified_sql(std::span<const std::string> column_names) const {
  const auto rename = [&](std::string_view name) {
    const auto& known = program_->column_names;
    const auto index =
        static_cast<std::size_t>(std::find(known.begin(), known.end(), name) - known.begin());
    return index < column_names.size() ? column_names[index] : std::string(name);
  };
  return keyexpr::print_qualified(program_->syntax, rename);
}

std::vector<std::string> KeyExpression::functions() const {
  return keyexpr::called_hash_functions(program_->syntax);
}

namespace {

/// Copies the result of a sub-batch out.
void copy_result(const keyexpr::Program& program, const keyexpr::Frame& frame, std::size_t rows,
                 std::int64_t* keys, KeyState* states) {
  if (program.result.constant) {
    const keyexpr::Constant& constant = program.constants[program.result.index];
    std::fill_n(keys, rows, constant.integer);
    std::fill_n(states, rows, constant.state);
  } else {
    const keyexpr::Register& result = *frame.registers[program.result.index];
    std::copy_n(result.integers.begin(), rows, keys);
    std::copy_n(result.states.begin(), rows, states);
  }
  if (!frame.any_malformed) return;
  for (std::size_t row = 0; row < rows; ++row) {
    if (frame.malformed[row]) states[row] = KeyState::malformed;
  }
}

}  // namespace

void KeyExpression::evaluate(const std::uint8_t* base, std::span<const FieldRef> fields,
                             std::size_t rows, KeyScratch& scratch, std::span<std::int64_t> keys,
                             std::span<KeyState> states) const {
  keyexpr::Frame& frame = *scratch.registers_;
  while (frame.registers.size() < program_->registers) {
    frame.registers.push_back(std::make_unique<keyexpr::Register>());
  }
  const std::size_t per_row = program_->used_columns.size();
  for (std::size_t first = 0; first < rows; first += keyexpr::sub_batch_rows) {
    const std::size_t count = std::min(keyexpr::sub_batch_rows, rows - first);
    frame.any_malformed = false;
    const keyexpr::SubBatch batch{base, fields.data() + first * per_row, per_row, count};
    for (const keyexpr::Instruction& instruction : program_->instructions) {
      keyexpr::execute(instruction, *program_, frame, batch);
    }
    copy_result(*program_, frame, count, keys.data() + first, states.data() + first);
  }
}

}  // namespace pgfanout

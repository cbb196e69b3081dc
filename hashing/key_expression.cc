// The public face: ties parser, checker, compiler and kernels together, cuts a batch into
// sub-batches, and prints the expression as SQL.
#include "hashing/key_expression.h"

#include <algorithm>
#include <utility>

#include "hashing/key_forms.h"

namespace pgfanout {
namespace keyexpr {
namespace {

std::string doubled(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char c : text) {
    if (c == quote) result += quote;
    result += c;
  }
  return result + quote;
}

/// A backslash means the same under either setting of standard_conforming_strings only in E''.
std::string string_literal(std::string_view text) {
  std::string quoted = doubled(text, '\'');
  if (text.find('\\') == std::string_view::npos) return quoted;
  std::string result = "E";
  for (const char c : quoted) {
    if (c == '\\') result += c;
    result += c;
  }
  return result;
}

/// Prints the syntax, not the typed tree: the server resolves types and casts itself, by the rules
/// that the checker has applied. The result means the same under any search_path whose objects do
/// not hide those of pg_catalog: every operation is in parentheses, functions and types are behind
/// pg_catalog, columns are quoted.
class Printer {
 public:
  /// Prints the column `names[i]` as `new_names[i]`, where there is one.
  Printer(const SyntaxTree& syntax, std::span<const std::string> names,
          std::span<const std::string> new_names)
      : syntax_(syntax), names_(names), new_names_(new_names) {}

  std::string print(std::uint32_t index) {
    const SyntaxNode& node = syntax_.nodes[index];
    switch (node.kind) {
      case SyntaxKind::integer: {
        const std::string digits = std::to_string(node.magnitude);
        return node.negative ? "(-" + digits + ")" : digits;
      }
      case SyntaxKind::string:
        return string_literal(node.text);
      case SyntaxKind::null:
        return "NULL";
      case SyntaxKind::column:
        return column(node.text);
      case SyntaxKind::call:
        return "pg_catalog." + node.text + arguments(node);
      case SyntaxKind::unary:
        return "(" + node.text + " " + print(node.children[0]) + ")";
      case SyntaxKind::binary:
        return "(" + print(node.children[0]) + " " + node.text + " " + print(node.children[1]) +
               ")";
      case SyntaxKind::cast:
        return print(node.children[0]) + "::pg_catalog." + std::string(catalog_name(node.type));
      case SyntaxKind::coalesce:
        return "COALESCE" + arguments(node);
      case SyntaxKind::nullif:
        return "NULLIF" + arguments(node);
    }
    return {};
  }

 private:
  std::string column(const std::string& name) {
    const auto index =
        static_cast<std::size_t>(std::find(names_.begin(), names_.end(), name) - names_.begin());
    return doubled(index < new_names_.size() ? new_names_[index] : name, '"');
  }

  std::string arguments(const SyntaxNode& node) {
    std::string result = "(";
    for (const std::uint32_t child : node.children) {
      if (result.size() > 1) result += ", ";
      result += print(child);
    }
    return result + ")";
  }

  const SyntaxTree& syntax_;
  const std::span<const std::string> names_;
  const std::span<const std::string> new_names_;
};

}  // namespace
}  // namespace keyexpr

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
  return keyexpr::Printer(program_->syntax, program_->column_names, column_names)
      .print(program_->syntax.root);
}

std::vector<std::string> KeyExpression::functions() const {
  std::vector<std::string> names;
  for (const keyexpr::SyntaxNode& node : program_->syntax.nodes) {
    if (node.kind != keyexpr::SyntaxKind::call) continue;
    if (keyexpr::find_hash_function(node.text) == nullptr) continue;
    if (std::find(names.begin(), names.end(), node.text) == names.end()) names.push_back(node.text);
  }
  return names;
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

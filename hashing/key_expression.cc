// The public face: ties parser, checker, compiler and kernels together, cuts a batch into
// sub-batches, and prints the expression as SQL.
#include "hashing/key_expression.h"

#include <algorithm>
#include <utility>

#include "copier/base/byte_order.h"
#include "copier/base/lists.h"
#include "hashing/key_forms.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace keyexpr {

std::string doubled(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char c : text) {
    if (c == quote) result += quote;
    result += c;
  }
  return result + quote;
}

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

namespace {

/// Prints the syntax, not the typed tree: the server resolves types and casts itself, by the rules
/// that the checker has applied. The result means the same under any search_path whose objects do
/// not hide those of pg_catalog: every operation is in parentheses, functions and types are behind
/// pg_catalog, columns are quoted.
class Printer {
 public:
  /// Prints the column `columns[i]` as `new_names[i]`, where there is one.
  Printer(const SyntaxTree& syntax, std::span<const KeyColumn> columns,
          std::span<const std::string> new_names)
      : syntax_(syntax), columns_(columns), new_names_(new_names) {}

  /// Prints the node `index` as `text`.
  void replace(std::uint32_t index, std::string text) {
    replaced_ = index;
    replacement_ = std::move(text);
  }

  std::string print(std::uint32_t index) {
    if (replaced_ == index) return replacement_;
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
    const auto index = static_cast<std::size_t>(
        std::ranges::find(columns_, name, &KeyColumn::name) - columns_.begin());
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
  const std::span<const KeyColumn> columns_;
  const std::span<const std::string> new_names_;
  std::optional<std::uint32_t> replaced_;
  std::string replacement_;
};

/// The literal N of `... % N`.
struct Modulus {
  std::uint32_t node = 0;
  std::int64_t value = 0;
};

std::optional<Modulus> literal_at(const SyntaxTree& syntax, std::uint32_t index) {
  while (syntax.nodes[index].kind == SyntaxKind::cast) index = syntax.nodes[index].children[0];
  const SyntaxNode& node = syntax.nodes[index];
  std::optional<std::int64_t> value;
  if (node.kind == SyntaxKind::string) value = parse_integer(node.text);
  if (node.kind == SyntaxKind::integer && !node.negative) {
    value = static_cast<std::int64_t>(node.magnitude);
  }
  return value && *value > 0 ? std::optional(Modulus{index, *value}) : std::nullopt;
}

std::optional<Modulus> modulus_of(const SyntaxTree& syntax, std::uint32_t index) {
  const SyntaxNode& node = syntax.nodes[index];
  const bool is_call = node.kind == SyntaxKind::call;
  const bool is_wrapped = node.kind == SyntaxKind::cast || (is_call && node.text == "abs");
  if (is_wrapped) return modulus_of(syntax, node.children[0]);
  const bool is_modulo =
      (is_call && node.text == "mod") || (node.kind == SyntaxKind::binary && node.text == "%");
  return is_modulo ? literal_at(syntax, node.children[1]) : std::nullopt;
}

}  // namespace
}  // namespace keyexpr

struct KeyScratch::Registers : keyexpr::Frame {};

KeyScratch::KeyScratch() : registers_(std::make_unique<Registers>()) {}
KeyScratch::~KeyScratch() = default;
KeyScratch::KeyScratch(KeyScratch&&) noexcept = default;
KeyScratch& KeyScratch::operator=(KeyScratch&&) noexcept = default;

struct KeyExpression::Program : keyexpr::Program {
  std::string sql;
  std::vector<KeyColumn> columns;
  keyexpr::SyntaxTree syntax;
  KeyType result_type = KeyType::other;
  std::optional<PartitionKey> partition;  // Then there is no syntax.
  std::unique_ptr<const PartitionKernel> kernel;

  [[nodiscard]] std::string name_of(std::size_t column,
                                    std::span<const std::string> new_names) const {
    return column < new_names.size() ? new_names[column] : columns[column].name;
  }
};

KeyExpression::KeyExpression(std::shared_ptr<const Program> program)
    : program_(std::move(program)) {}

namespace {

Result<std::vector<std::size_t>> columns_of(const PartitionKey& key,
                                            std::span<const KeyColumn> columns) {
  std::vector<std::size_t> used;
  for (const std::string& name : key.columns) {
    const auto found = std::ranges::find(columns, name, &KeyColumn::name);
    if (found == columns.end()) {
      return refused("key-expression", "there is no column \"" + name + "\"",
                     "name columns of the source", text_of(key));
    }
    used.push_back(static_cast<std::size_t>(found - columns.begin()));
  }
  return used;
}

/// Where a type's equality or order is not that of its bytes, it is none for a kernel.
std::unique_ptr<const PartitionKernel> kernel_of(const PartitionKey& key,
                                                 const std::vector<std::size_t>& used,
                                                 std::span<const KeyColumn> columns) {
  const bool is_range = key.strategy == PartitionKey::Strategy::range;
  std::vector<KeyType> types;
  for (const std::size_t column : used) {
    const auto order = columns[column].order;
    const bool is_plain =
        order == KeyColumn::Order::bytes || (order == KeyColumn::Order::equal_bytes && !is_range);
    types.push_back(is_plain ? columns[column].type : KeyType::other);
  }
  if (is_range) return make_range_kernel(key, types);
  return key.strategy == PartitionKey::Strategy::hash ? make_hash_kernel(key, types)
                                                      : make_list_kernel(key, types);
}

/// Keys that the server has computed: int8, never NULL.
void read_keys(const std::uint8_t* base, std::span<const FieldRef> fields,
               std::span<std::int64_t> keys, std::span<KeyState> states) {
  for (std::size_t row = 0; row < fields.size(); ++row) {
    const bool is_key = fields[row].length == 8;
    states[row] = is_key ? KeyState::ok : KeyState::malformed;
    keys[row] = is_key ? static_cast<std::int64_t>(load_be64(base + fields[row].offset)) : 0;
  }
}

}  // namespace

Result<KeyExpression> KeyExpression::compile(std::string_view sql,
                                             std::span<const KeyColumn> columns) {
  auto program = std::make_shared<Program>();
  program->sql = sql;
  program->columns.assign(columns.begin(), columns.end());
  PGFANOUT_TRY_ASSIGN(program->partition, parse_partition_key(sql));
  if (program->partition) {
    program->result_type = KeyType::int8;
    PGFANOUT_TRY_ASSIGN(program->used_columns, columns_of(*program->partition, columns));
    program->kernel = kernel_of(*program->partition, program->used_columns, columns);
    return KeyExpression(std::move(program));
  }
  PGFANOUT_TRY_ASSIGN(program->syntax, keyexpr::parse_key_expression(sql));
  PGFANOUT_TRY_ASSIGN(const keyexpr::TypedTree typed,
                      keyexpr::check_types(sql, program->syntax, columns));
  PGFANOUT_TRY(keyexpr::compile_program(sql, typed, *program));
  program->result_type = typed.type;
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
  if (!program_->partition) {
    return keyexpr::Printer(program_->syntax, program_->columns, column_names)
        .print(program_->syntax.root);
  }
  std::vector<std::string> quoted;
  std::vector<std::string> types;
  for (const std::size_t column : program_->used_columns) {
    quoted.push_back(keyexpr::doubled(program_->name_of(column, column_names), '"'));
    types.push_back(program_->columns[column].type_name);
  }
  return partition_key_sql(*program_->partition, quoted, types);
}

const PartitionKey* KeyExpression::partition_key() const {
  return program_->partition ? &*program_->partition : nullptr;
}

bool KeyExpression::is_by_server() const {
  return program_->partition && program_->kernel == nullptr;
}

std::vector<std::string> KeyExpression::functions() const {
  std::vector<std::string> names;
  for (const keyexpr::SyntaxNode& node : program_->syntax.nodes) {
    if (node.kind != keyexpr::SyntaxKind::call) continue;
    if (keyexpr::find_hash_function(node.text) == nullptr) continue;
    if (!contains(names, node.text)) names.push_back(node.text);
  }
  return names;
}

bool KeyExpression::computes_same_as(const KeyExpression& other) const {
  const keyexpr::Program& a = *program_;
  const keyexpr::Program& b = *other.program_;
  return program_->partition == other.program_->partition && a == b;
}

std::optional<std::int64_t> KeyExpression::modulus() const {
  if (const auto& partition = program_->partition) {
    return partition->modulus > 0 ? std::optional<std::int64_t>(partition->modulus) : std::nullopt;
  }
  const auto found = keyexpr::modulus_of(program_->syntax, program_->syntax.root);
  return found ? std::optional(found->value) : std::nullopt;
}

std::string KeyExpression::with_modulus(std::uint32_t modulus,
                                        std::span<const std::string> column_names) const {
  const auto found = keyexpr::modulus_of(program_->syntax, program_->syntax.root);
  keyexpr::Printer printer(program_->syntax, program_->columns, column_names);
  const bool is_text = program_->syntax.nodes[found->node].kind == keyexpr::SyntaxKind::string;
  printer.replace(found->node,
                  is_text ? "'" + std::to_string(modulus) + "'" : std::to_string(modulus));
  return printer.print(program_->syntax.root);
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
  if (program_->kernel != nullptr) {
    program_->kernel->evaluate(base, fields, rows, keys, states);
    return;
  }
  if (program_->partition) {
    read_keys(base, fields.first(rows), keys, states);
    return;
  }
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

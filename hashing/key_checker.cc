// The type checker: walks the syntax, and asks of every operator and function what the server's
// overload resolution would choose among the supported types. tests/differential asks a server the
// same questions about all pairs of types.
#include <optional>
#include <utility>

#include "hashing/key_error.h"
#include "hashing/key_functions.h"
#include "hashing/key_hints.h"
#include "hashing/key_typed.h"
#include "hashing/key_types.h"

namespace pgfanout::keyexpr {
namespace {

/// A checked operand. Its type may be narrower than where it is used: integers widen for free.
struct Operand {
  std::uint32_t node = 0;
  std::optional<KeyType> type;  ///< None for a string literal or NULL whose type is still open.
  std::size_t offset = 0;
};

std::string name_of(const std::optional<KeyType>& type) {
  return type ? std::string(display_name(*type)) : "unknown";
}

class Checker {
 public:
  Checker(std::string_view sql, const SyntaxTree& syntax, std::span<const KeyColumn> columns)
      : sql_(sql), syntax_(syntax), columns_(columns) {}

  Result<TypedTree> run() {
    PGFANOUT_TRY_ASSIGN(const Operand root, check(syntax_.root));
    if (!root.type || !is_integer(*root.type)) {
      return error(root.offset, "the key is of type " + name_of(root.type) + ", not an integer",
                   "hash it: for example hashtext(...) % 100");
    }
    tree_.root = root.node;
    tree_.type = *root.type;
    return std::move(tree_);
  }

 private:
  Result<Operand> check(std::uint32_t index) {
    const SyntaxNode& node = syntax_.nodes[index];
    switch (node.kind) {
      case SyntaxKind::integer:
        return integer(node);
      case SyntaxKind::string:
      case SyntaxKind::null:
        return open_literal(node);
      case SyntaxKind::column:
        return column(node);
      case SyntaxKind::cast:
        return cast(node);
      case SyntaxKind::call:
        return call(node);
      case SyntaxKind::unary:
        return unary(node);
      case SyntaxKind::binary:
        return node.text == "||" ? concatenation(node) : arithmetic(node);
      case SyntaxKind::coalesce:
        return coalesce(node);
      case SyntaxKind::nullif:
        return nullif(node);
    }
    return error(node.offset, "this is not supported in a key expression");
  }

  Result<std::vector<Operand>> check_children(const SyntaxNode& node) {
    std::vector<Operand> operands;
    for (const std::uint32_t child : node.children) {
      PGFANOUT_TRY_ASSIGN(const Operand operand, check(child));
      operands.push_back(operand);
    }
    return operands;
  }

  Result<Operand> integer(const SyntaxNode& node) {
    const std::uint64_t bits = node.negative ? 0 - node.magnitude : node.magnitude;
    const auto value = static_cast<std::int64_t>(bits);
    const KeyType type = fits(value, KeyType::int4) ? KeyType::int4 : KeyType::int8;
    TypedNode literal = typed(Operation::constant, type, node.offset);
    literal.integer = value;
    return add(std::move(literal));
  }

  Result<Operand> open_literal(const SyntaxNode& node) {
    TypedNode literal = typed(Operation::constant, KeyType::other, node.offset);
    literal.null = node.kind == SyntaxKind::null;
    literal.text = node.text;
    Operand operand = add(std::move(literal));
    operand.type.reset();
    return operand;
  }

  Result<Operand> column(const SyntaxNode& node) {
    const std::size_t index = find_column(columns_, node.text);
    if (index == no_column) {
      return error(node.offset, "there is no column \"" + node.text + "\"",
                   hint_for_column(columns_, node.text));
    }
    const KeyColumn& column = columns_[index];
    if (column.type == KeyType::other) {
      return error(node.offset,
                   "column \"" + column.name + "\" is of type " + column.type_name +
                       ", which a key expression cannot use",
                   "usable are smallint, integer, bigint, text, varchar, char(n), uuid, boolean "
                   "and bytea, text with a deterministic collation");
    }
    TypedNode load = typed(Operation::load, column.type, node.offset);
    load.column = index;
    return add(std::move(load));
  }

  Result<Operand> cast(const SyntaxNode& node) {
    PGFANOUT_TRY_ASSIGN(const Operand operand, check(node.children[0]));
    if (!operand.type || casts_implicitly(*operand.type, node.type)) {
      return coerce(operand, node.type);
    }
    const KeyType from = *operand.type;
    if (is_integer(node.type)) {
      if (is_integer(from)) return add(unary_node(Operation::narrow, node.type, node, operand));
      if (from == KeyType::boolean && node.type == KeyType::int4)
        return retyped(operand, node.type);
    } else if (is_integer(from)) {
      return add(unary_node(Operation::integer_to_text, node.type, node, operand));
    } else if (from == KeyType::uuid) {
      return add(unary_node(Operation::uuid_to_text, node.type, node, operand));
    } else if (from == KeyType::boolean) {
      return add(unary_node(Operation::boolean_to_text, node.type, node, operand));
    }
    return error(node.offset,
                 "a cast from " + name_of(from) + " to " + name_of(node.type) + " is not supported",
                 hint_for_cast(from));
  }

  Result<Operand> call(const SyntaxNode& node) {
    PGFANOUT_TRY_ASSIGN(const std::vector<Operand> arguments, check_children(node));
    if (const HashFunction* function = find_hash_function(node.text)) {
      return hash(node, *function, arguments);
    }
    if (node.text == "abs") return absolute(node, arguments);
    if (node.text == "mod") {
      if (arguments.size() != 2) return no_such_function(node, arguments);
      return integer_operation(node, Operation::modulo, arguments[0], arguments[1]);
    }
    return error(node.offset, "the function " + node.text + " is not supported",
                 std::string(hint_for_function(node.text)));
  }

  Result<Operand> hash(const SyntaxNode& node, const HashFunction& function,
                       const std::vector<Operand>& arguments) {
    const std::size_t expected = function.extended ? 2 : 1;
    if (arguments.size() != expected) return no_such_function(node, arguments);
    for (std::size_t i = 0; i < expected; ++i) {
      const KeyType wanted = i == 0 ? function.argument : KeyType::int8;
      if (arguments[i].type && !casts_implicitly(*arguments[i].type, wanted)) {
        return no_such_function(node, arguments);
      }
    }
    PGFANOUT_TRY_ASSIGN(Operand value, coerce(arguments[0], function.argument));
    if (function.argument == KeyType::bpchar) {
      value = add(unary_node(Operation::strip_blanks, KeyType::text, node, value));
    }
    const bool integers = is_integer(function.argument);
    if (!function.extended) {
      const Operation plain = integers ? Operation::hash_integer : Operation::hash_bytes;
      return add(unary_node(plain, KeyType::int4, node, value));
    }
    PGFANOUT_TRY_ASSIGN(const Operand seed, coerce(arguments[1], KeyType::int8));
    const Operation seeded =
        integers ? Operation::hash_integer_extended : Operation::hash_bytes_extended;
    return add(binary_node(seeded, KeyType::int8, node, value, seed));
  }

  Result<Operand> absolute(const SyntaxNode& node, const std::vector<Operand>& arguments) {
    if (arguments.size() != 1) return no_such_function(node, arguments);
    const Operand& value = arguments[0];
    if (!value.type) return becomes_float(value);
    if (!is_integer(*value.type)) return no_such_function(node, arguments);
    return add(unary_node(Operation::absolute, *value.type, node, value));
  }

  [[nodiscard]] Error no_such_function(const SyntaxNode& node,
                                       const std::vector<Operand>& arguments) const {
    std::string call = node.text + "(";
    for (const Operand& argument : arguments) {
      call += (call.back() == '(' ? "" : ", ") + name_of(argument.type);
    }
    return error(node.offset, "the server has no function " + call + ")",
                 arguments_hint(node, arguments));
  }

  [[nodiscard]] std::string arguments_hint(const SyntaxNode& node,
                                           const std::vector<Operand>& arguments) const {
    const HashFunction* function = find_hash_function(node.text);
    if (function == nullptr) return node.text + " works on integers only";
    if (arguments.size() != (function->extended ? 2U : 1U)) return hint_for_arity(*function);
    const KeyType from = arguments[0].type.value_or(KeyType::text);
    if (casts_implicitly(from, function->argument)) return "the seed must be an integer";
    return hint_for_argument(*function, from, source_of(node.children[0]));
  }

  /// A column's name as it can be written again, else "(...)".
  [[nodiscard]] std::string source_of(std::uint32_t child) const {
    const SyntaxNode& node = syntax_.nodes[child];
    if (node.kind != SyntaxKind::column) return "(...)";
    return sql_[node.offset] == '"' ? "\"" + node.text + "\"" : node.text;
  }

  Result<Operand> unary(const SyntaxNode& node) {
    PGFANOUT_TRY_ASSIGN(const Operand operand, check(node.children[0]));
    if (!operand.type) return becomes_float(operand);
    if (!is_integer(*operand.type)) return no_such_operator(node, node.text, operand.type);
    if (node.text == "+") return operand;
    return add(unary_node(Operation::negate, *operand.type, node, operand));
  }

  [[nodiscard]] Error becomes_float(const Operand& operand) const {
    return error(operand.offset, "the server would take this for a floating-point number",
                 "give it a type, for example ::int4");
  }

  Result<Operand> arithmetic(const SyntaxNode& node) {
    static constexpr std::pair<std::string_view, Operation> operations[] = {
        {"+", Operation::add},    {"-", Operation::subtract}, {"*", Operation::multiply},
        {"/", Operation::divide}, {"%", Operation::modulo},   {"&", Operation::bit_and},
        {"|", Operation::bit_or}, {"#", Operation::bit_xor},
    };
    PGFANOUT_TRY_ASSIGN(const std::vector<Operand> operands, check_children(node));
    for (const auto& [name, operation] : operations) {
      if (name == node.text) return integer_operation(node, operation, operands[0], operands[1]);
    }
    return error(node.offset, "the operator " + node.text + " is not supported");
  }

  /// The result has the wider type; a literal of unknown type takes the other side's.
  Result<Operand> integer_operation(const SyntaxNode& node, Operation operation,
                                    const Operand& left, const Operand& right) {
    const bool integers = (!left.type || is_integer(*left.type)) &&
                          (!right.type || is_integer(*right.type)) && (left.type || right.type);
    if (!integers) {
      if (node.kind == SyntaxKind::call) return no_such_function(node, {left, right});
      return no_such_operator(node, name_of(left.type) + " " + node.text, right.type);
    }
    const KeyType type =
        wider(left.type.value_or(KeyType::int2), right.type.value_or(KeyType::int2));
    PGFANOUT_TRY_ASSIGN(const Operand first, coerce(left, type));
    PGFANOUT_TRY_ASSIGN(const Operand second, coerce(right, type));
    return add(binary_node(operation, type, node, first, second));
  }

  [[nodiscard]] Error no_such_operator(const SyntaxNode& node, const std::string& before,
                                       const std::optional<KeyType>& right) const {
    return error(node.offset, "there is no operator " + before + " " + name_of(right),
                 "it works on integers only; a hash of the value is one");
  }

  /// text || text, and text || anything that has an implicit way to be written as text.
  Result<Operand> concatenation(const SyntaxNode& node) {
    PGFANOUT_TRY_ASSIGN(const std::vector<Operand> operands, check_children(node));
    const Operand& left = operands[0];
    const Operand& right = operands[1];
    if (left.type == KeyType::bytea || right.type == KeyType::bytea) {
      return bytea_concatenation(node, left, right);
    }
    const bool has_text =
        !left.type || !right.type || is_textual(*left.type) || is_textual(*right.type);
    if (!has_text) {
      return error(node.offset,
                   "there is no operator " + name_of(left.type) + " || " + name_of(right.type),
                   "write ::text behind one of them");
    }
    PGFANOUT_TRY_ASSIGN(const Operand first, as_text(node, left));
    PGFANOUT_TRY_ASSIGN(const Operand second, as_text(node, right));
    return add(binary_node(Operation::concatenate, KeyType::text, node, first, second));
  }

  Result<Operand> bytea_concatenation(const SyntaxNode& node, const Operand& left,
                                      const Operand& right) {
    if (left.type.value_or(KeyType::bytea) != right.type.value_or(KeyType::bytea)) {
      return error(node.offset, "text and bytea cannot be joined in a key expression",
                   hint_for_cast(KeyType::bytea));
    }
    PGFANOUT_TRY_ASSIGN(const Operand first, coerce(left, KeyType::bytea));
    PGFANOUT_TRY_ASSIGN(const Operand second, coerce(right, KeyType::bytea));
    return add(binary_node(Operation::concatenate, KeyType::bytea, node, first, second));
  }

  Result<Operand> as_text(const SyntaxNode& node, const Operand& operand) {
    if (!operand.type || is_textual(*operand.type)) return coerce(operand, KeyType::text);
    Operation operation = Operation::integer_to_text;
    if (*operand.type == KeyType::uuid) operation = Operation::uuid_to_text;
    if (*operand.type == KeyType::boolean) operation = Operation::boolean_to_text;
    return add(unary_node(operation, KeyType::text, node, operand));
  }

  Result<Operand> coalesce(const SyntaxNode& node) {
    PGFANOUT_TRY_ASSIGN(const std::vector<Operand> operands, check_children(node));
    PGFANOUT_TRY_ASSIGN(const KeyType type, common_type(operands));
    TypedNode result = typed(Operation::coalesce, type, node.offset);
    for (const Operand& operand : operands) {
      PGFANOUT_TRY_ASSIGN(const Operand coerced, coerce(operand, type));
      result.operands.push_back(coerced.node);
    }
    return add(std::move(result));
  }

  /// Integers: the widest. Text: the first one's, since all three cast to each other.
  Result<KeyType> common_type(const std::vector<Operand>& operands) {
    std::optional<KeyType> common;
    for (const Operand& operand : operands) {
      if (!operand.type) continue;
      const KeyType type = *operand.type;
      if (!common) common = type;
      if (is_integer(*common) && is_integer(type)) common = wider(*common, type);
      if (!casts_implicitly(type, *common)) {
        return error(operand.offset,
                     "coalesce cannot match " + name_of(common) + " and " + name_of(type),
                     "cast one of them");
      }
    }
    return common.value_or(KeyType::text);
  }

  /// Compared are integers, uuids, or text; the server's result has the left side's type, after it
  /// was cast for the comparison.
  Result<Operand> nullif(const SyntaxNode& node) {
    PGFANOUT_TRY_ASSIGN(const std::vector<Operand> operands, check_children(node));
    const Operand& left = operands[0];
    const Operand& right = operands[1];
    const KeyType first = left.type.value_or(right.type.value_or(KeyType::text));
    const KeyType second = right.type.value_or(first);
    const bool integers = is_integer(first) && is_integer(second);
    const bool texts = is_comparable_text(first) && is_comparable_text(second);
    const bool uuids = first == KeyType::uuid && second == KeyType::uuid;
    if (!integers && !texts && !uuids) {
      return error(
          node.offset,
          "nullif of " + name_of(left.type) + " and " + name_of(right.type) + " is not supported",
          "it compares integers, uuids, or text; cast one of them");
    }
    const KeyType type = texts ? KeyType::text : first;
    PGFANOUT_TRY_ASSIGN(const Operand value, coerce(left, type));
    PGFANOUT_TRY_ASSIGN(const Operand other, coerce(right, texts ? KeyType::text : second));
    return add(binary_node(Operation::nullif, type, node, value, other));
  }

  static bool is_comparable_text(KeyType type) {
    return type == KeyType::text || type == KeyType::varchar;
  }

  /// `operand` as `type`, which it casts to implicitly or which its literal can take.
  Result<Operand> coerce(const Operand& operand, KeyType type) {
    if (!operand.type) return close_literal(operand, type);
    if (*operand.type == KeyType::bpchar && is_textual(type) && type != KeyType::bpchar) {
      TypedNode strip = typed(Operation::strip_blanks, type, operand.offset);
      strip.operands = {operand.node};
      return add(std::move(strip));
    }
    return retyped(operand, type);
  }

  /// Gives a string literal or NULL its type, as the type's input function would.
  Result<Operand> close_literal(const Operand& operand, KeyType type) {
    TypedNode& literal = tree_.nodes[operand.node];
    literal.type = type;
    if (literal.null || is_textual(type)) return retyped(operand, type);
    if (!is_integer(type)) {
      return error(operand.offset, "a literal of type " + name_of(type) + " is not supported");
    }
    const std::optional<std::int64_t> number = parse_integer(literal.text);
    if (!number || !fits(*number, type)) {
      return error(operand.offset, "this string is not a plain " + name_of(type),
                   "write the number without quotes");
    }
    literal.integer = *number;
    return retyped(operand, type);
  }

  static TypedNode typed(Operation operation, KeyType type, std::size_t offset) {
    TypedNode node;
    node.operation = operation;
    node.type = type;
    node.offset = offset;
    return node;
  }

  static TypedNode unary_node(Operation operation, KeyType type, const SyntaxNode& at,
                              const Operand& operand) {
    TypedNode node = typed(operation, type, at.offset);
    node.operands = {operand.node};
    return node;
  }

  static TypedNode binary_node(Operation operation, KeyType type, const SyntaxNode& at,
                               const Operand& left, const Operand& right) {
    TypedNode node = typed(operation, type, at.offset);
    node.operands = {left.node, right.node};
    return node;
  }

  static Operand retyped(Operand operand, KeyType type) {
    operand.type = type;
    return operand;
  }

  Operand add(TypedNode node) {
    const Operand operand{static_cast<std::uint32_t>(tree_.nodes.size()), node.type, node.offset};
    tree_.nodes.push_back(std::move(node));
    return operand;
  }

  [[nodiscard]] Error error(std::size_t offset, std::string message, std::string hint = {}) const {
    return key_error(sql_, offset, std::move(message), std::move(hint));
  }

  std::string_view sql_;
  const SyntaxTree& syntax_;
  std::span<const KeyColumn> columns_;
  TypedTree tree_;
};

}  // namespace

std::size_t find_column(std::span<const KeyColumn> columns, std::string_view name) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == name) return i;
  }
  return no_column;
}

Result<TypedTree> check_types(std::string_view sql, const SyntaxTree& syntax,
                              std::span<const KeyColumn> columns) {
  return Checker(sql, syntax, columns).run();
}

}  // namespace pgfanout::keyexpr

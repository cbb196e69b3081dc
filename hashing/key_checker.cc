// The type checker: walks the syntax, and resolves every operator and function as the server's
// overload resolution does among the supported types. tests/differential compares both for all
// pairs of types.
#include <algorithm>
#include <initializer_list>
#include <optional>
#include <utility>

#include "hashing/key_forms.h"

namespace pgfanout::keyexpr {
namespace {

// Hints of refusals: what to write instead.

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), to_lower);
  return lower;
}

bool depends_on_locale(std::string_view function) {
  return function == "lower" || function == "upper" || function == "initcap" ||
         function == "casefold" || function == "normalize";
}

/// For a name that is no column: the one that differs in case only, else all of them.
std::string hint_for_column(std::span<const KeyColumn> columns, std::string_view name) {
  constexpr std::size_t longest_column_list = 300;
  std::string hint = "columns:";
  for (const KeyColumn& column : columns) {
    if (lower_case(column.name) == lower_case(name)) {
      return "write \"" + column.name + "\" in double quotes";
    }
    if (hint.size() < longest_column_list) {
      hint += (hint.back() == ':' ? " " : ", ") + column.name;
    }
  }
  return hint.size() < longest_column_list ? hint : hint + ", ...";
}

std::string hint_for_function(std::string_view name) {
  if (depends_on_locale(name)) {
    return "its result depends on the server's locale, which cannot be recomputed safely; store "
           "the result in a column and use that";
  }
  if (name == "hashvarlena") return "on the server it cannot be called from SQL; write hashtext";
  return std::string(what_is_supported);
}

std::string hint_for_cast(KeyType from) {
  if (from == KeyType::bytea) {
    return "its result depends on the setting bytea_output; hashbytea takes a bytea";
  }
  if (is_textual(from)) return "text that is no number would fail; hash it with hashtext";
  return "casts go between integers, and from integers, uuid and boolean to text";
}

std::string hint_for_arity(const HashFunction& function) {
  return std::string(function.name) + "(" + std::string(display_name(function.argument)) +
         (function.extended ? ", bigint) takes a value and a seed" : ") takes one value");
}

/// For a hash function whose first argument, written as `argument`, has the wrong type.
std::string hint_for_argument(const HashFunction& function, KeyType from,
                              const std::string& argument) {
  const std::string name(function.name);
  if (is_textual(function.argument) && from != KeyType::bytea) {
    return "write " + name + "(" + argument + "::text" + (function.extended ? ", ...)" : ")");
  }
  return name + " takes " + std::string(display_name(function.argument));
}

/// A checked operand. Its type may be narrower than where it is used: integers widen for free.
struct Operand {
  std::uint32_t node = 0;
  std::optional<KeyType> type;  ///< None for a string literal or NULL whose type is still open.
  std::size_t offset = 0;
};

std::string name_of(const std::optional<KeyType>& type) {
  return type ? std::string(display_name(*type)) : "unknown";
}

/// The operation that writes a value as text; none for text itself and bytea.
std::optional<Operation> to_text(KeyType type) {
  if (is_integer(type)) return Operation::integer_to_text;
  if (type == KeyType::uuid) return Operation::uuid_to_text;
  if (type == KeyType::boolean) return Operation::boolean_to_text;
  return {};
}

class Checker : Pass {
 public:
  Checker(std::string_view sql, const SyntaxTree& syntax, std::span<const KeyColumn> columns)
      : Pass(sql), syntax_(syntax), columns_(columns) {}

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
    const Operand literal = add(Operation::constant, type, node.offset);
    tree_.nodes.back().integer = value;
    return literal;
  }

  Result<Operand> open_literal(const SyntaxNode& node) {
    Operand literal = add(Operation::constant, KeyType::other, node.offset);
    tree_.nodes.back().null = node.kind == SyntaxKind::null;
    tree_.nodes.back().text = node.text;
    literal.type.reset();
    return literal;
  }

  Result<Operand> column(const SyntaxNode& node) {
    const auto found = std::ranges::find(columns_, node.text, &KeyColumn::name);
    if (found == columns_.end()) {
      return error(node.offset, "there is no column \"" + node.text + "\"",
                   hint_for_column(columns_, node.text));
    }
    if (!is_of_expressions(found->type)) {
      return error(node.offset,
                   "column \"" + found->name + "\" is of type " + found->type_name +
                       ", which a key expression cannot use",
                   "usable are smallint, integer, bigint, text, varchar, char(n), uuid, boolean "
                   "and bytea, text with a deterministic collation");
    }
    const Operand load = add(Operation::load, found->type, node.offset);
    tree_.nodes.back().column = static_cast<std::size_t>(found - columns_.begin());
    return load;
  }

  Result<Operand> cast(const SyntaxNode& node) {
    PGFANOUT_TRY_ASSIGN(const Operand operand, check(node.children[0]));
    if (!operand.type || casts_implicitly(*operand.type, node.type)) {
      return coerce(operand, node.type);
    }
    const KeyType from = *operand.type;
    if (is_integer(node.type)) {
      if (is_integer(from)) return add(Operation::narrow, node.type, node.offset, {operand});
      if (from == KeyType::boolean && node.type == KeyType::int4) {
        return retyped(operand, node.type);
      }
    } else if (const auto operation = to_text(from)) {
      return add(*operation, node.type, node.offset, {operand});
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
                 hint_for_function(node.text));
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
      value = add(Operation::strip_blanks, KeyType::text, node.offset, {value});
    }
    const bool integers = is_integer(function.argument);
    if (!function.extended) {
      const Operation plain = integers ? Operation::hash_integer : Operation::hash_bytes;
      return add(plain, KeyType::int4, node.offset, {value});
    }
    PGFANOUT_TRY_ASSIGN(const Operand seed, coerce(arguments[1], KeyType::int8));
    const Operation seeded =
        integers ? Operation::hash_integer_extended : Operation::hash_bytes_extended;
    return add(seeded, KeyType::int8, node.offset, {value, seed});
  }

  Result<Operand> absolute(const SyntaxNode& node, const std::vector<Operand>& arguments) {
    if (arguments.size() != 1) return no_such_function(node, arguments);
    const Operand& value = arguments[0];
    if (!value.type) return becomes_float(value);
    if (!is_integer(*value.type)) return no_such_function(node, arguments);
    return add(Operation::absolute, *value.type, node.offset, {value});
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
    return add(Operation::negate, *operand.type, node.offset, {operand});
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
    return add(operation, type, node.offset, {first, second});
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
                   "write ::text after one of them");
    }
    PGFANOUT_TRY_ASSIGN(const Operand first, as_text(node, left));
    PGFANOUT_TRY_ASSIGN(const Operand second, as_text(node, right));
    return add(Operation::concatenate, KeyType::text, node.offset, {first, second});
  }

  Result<Operand> bytea_concatenation(const SyntaxNode& node, const Operand& left,
                                      const Operand& right) {
    if (left.type.value_or(KeyType::bytea) != right.type.value_or(KeyType::bytea)) {
      return error(node.offset, "text and bytea cannot be joined in a key expression",
                   hint_for_cast(KeyType::bytea));
    }
    PGFANOUT_TRY_ASSIGN(const Operand first, coerce(left, KeyType::bytea));
    PGFANOUT_TRY_ASSIGN(const Operand second, coerce(right, KeyType::bytea));
    return add(Operation::concatenate, KeyType::bytea, node.offset, {first, second});
  }

  Result<Operand> as_text(const SyntaxNode& node, const Operand& operand) {
    const auto operation = operand.type ? to_text(*operand.type) : std::nullopt;
    if (!operation) return coerce(operand, KeyType::text);
    return add(*operation, KeyType::text, node.offset, {operand});
  }

  Result<Operand> coalesce(const SyntaxNode& node) {
    PGFANOUT_TRY_ASSIGN(const std::vector<Operand> operands, check_children(node));
    PGFANOUT_TRY_ASSIGN(const KeyType type, common_type(operands));
    std::vector<std::uint32_t> coerced;
    for (const Operand& operand : operands) {
      PGFANOUT_TRY_ASSIGN(const Operand each, coerce(operand, type));
      coerced.push_back(each.node);
    }
    const Operand result = add(Operation::coalesce, type, node.offset);
    tree_.nodes.back().operands = std::move(coerced);
    return result;
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
    const auto is_text = [](KeyType type) {
      return type == KeyType::text || type == KeyType::varchar;
    };
    const bool texts = is_text(first) && is_text(second);
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
    return add(Operation::nullif, type, node.offset, {value, other});
  }

  /// `operand` as `type`, which it casts to implicitly or which its literal can take.
  Result<Operand> coerce(const Operand& operand, KeyType type) {
    if (!operand.type) return close_literal(operand, type);
    if (*operand.type == KeyType::bpchar && is_textual(type) && type != KeyType::bpchar) {
      return add(Operation::strip_blanks, type, operand.offset, {operand});
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
    literal.text.clear();
    return retyped(operand, type);
  }

  static Operand retyped(const Operand& operand, KeyType type) {
    return {operand.node, type, operand.offset};
  }

  Operand add(Operation operation, KeyType type, std::size_t offset,
              std::initializer_list<Operand> operands = {}) {
    TypedNode& node = tree_.nodes.emplace_back();
    node.operation = operation;
    node.type = type;
    node.offset = offset;
    for (const Operand& operand : operands) node.operands.push_back(operand.node);
    return {static_cast<std::uint32_t>(tree_.nodes.size() - 1), type, offset};
  }

  const SyntaxTree& syntax_;
  std::span<const KeyColumn> columns_;
  TypedTree tree_;
};

}  // namespace

Result<TypedTree> check_types(std::string_view sql, const SyntaxTree& syntax,
                              std::span<const KeyColumn> columns) {
  return Checker(sql, syntax, columns).run();
}

}  // namespace pgfanout::keyexpr

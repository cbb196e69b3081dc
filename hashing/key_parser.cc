// Recursive descent, one function a level of precedence, loosest first. Every way down passes
// through Nesting, which bounds the stack.
#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "hashing/key_error.h"
#include "hashing/key_hints.h"
#include "hashing/key_lexer.h"
#include "hashing/key_syntax.h"
#include "hashing/key_types.h"
#include "hashing/key_words.h"

namespace pgfanout::keyexpr {
namespace {

constexpr std::uint64_t smallest_int8_magnitude = std::uint64_t{1} << 63;

class Parser {
 public:
  Parser(std::string_view sql, std::vector<Token> tokens) : sql_(sql), tokens_(std::move(tokens)) {}

  Result<SyntaxTree> run() {
    PGFANOUT_TRY_ASSIGN(const std::uint32_t root, expression());
    if (current().kind != TokenKind::end) return unexpected();
    const SyntaxNode& node = tree_.nodes[root];
    if (node.kind == SyntaxKind::integer && is_beyond_int8(node)) return too_large(node.offset);
    tree_.root = root;
    return std::move(tree_);
  }

 private:
  using Node = Result<std::uint32_t>;

  /// Counts one level of nesting for as long as it lives.
  class Nesting {
   public:
    explicit Nesting(std::uint32_t& level) : level_(level) { ++level_; }
    ~Nesting() { --level_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    std::uint32_t& level_;
  };

  /// || | & # : all of one precedence, as on the server, where they are "any other operator".
  Node expression() {
    const Nesting nesting(level_);
    if (level_ > max_depth) return too_deep(current().offset);
    return left_associative({"||", "|", "&", "#"}, &Parser::sum);
  }
  Node sum() { return left_associative({"+", "-"}, &Parser::product); }
  Node product() { return left_associative({"*", "/", "%"}, &Parser::signed_operand); }

  Node left_associative(std::initializer_list<std::string_view> operators,
                        Node (Parser::*operand)()) {
    PGFANOUT_TRY_ASSIGN(std::uint32_t left, (this->*operand)());
    while (current().kind == TokenKind::op &&
           std::find(operators.begin(), operators.end(), current().text) != operators.end()) {
      Token op = take();
      PGFANOUT_TRY_ASSIGN(const std::uint32_t right, (this->*operand)());
      PGFANOUT_TRY_ASSIGN(
          left, add(node(SyntaxKind::binary, op.offset, std::move(op.text)), {left, right}));
    }
    return left;
  }

  /// A sign binds tighter than any binary operator, but looser than `::`. The server folds a minus
  /// into the literal behind it, and only then chooses the literal's type; so does this.
  Node signed_operand() {
    if (!is_op("+") && !is_op("-")) return casted();
    const Nesting nesting(level_);
    if (level_ > max_depth) return too_deep(current().offset);
    Token op = take();
    PGFANOUT_TRY_ASSIGN(const std::uint32_t operand, signed_operand());
    SyntaxNode& inner = tree_.nodes[operand];
    if (op.text == "-" && inner.kind == SyntaxKind::integer) {
      inner.negative = !inner.negative;
      inner.offset = op.offset;
      return operand;
    }
    return add(node(SyntaxKind::unary, op.offset, std::move(op.text)), {operand});
  }

  Node casted() {
    PGFANOUT_TRY_ASSIGN(std::uint32_t operand, primary());
    while (current().kind == TokenKind::cast) {
      const std::size_t offset = take().offset;
      PGFANOUT_TRY_ASSIGN(const KeyType type, type_name());
      SyntaxNode cast = node(SyntaxKind::cast, offset);
      cast.type = type;
      PGFANOUT_TRY_ASSIGN(operand, add(std::move(cast), {operand}));
    }
    return operand;
  }

  Node primary() {
    switch (current().kind) {
      case TokenKind::integer:
        return integer();
      case TokenKind::string: {
        Token token = take();
        return add(node(SyntaxKind::string, token.offset, std::move(token.text)), {});
      }
      case TokenKind::left_paren:
        return parenthesised();
      case TokenKind::word:
        return word();
      case TokenKind::quoted_word:
        return name_or_call();
      default:
        return unexpected();
    }
  }

  Node parenthesised() {
    take();
    PGFANOUT_TRY_ASSIGN(const std::uint32_t inner, expression());
    PGFANOUT_TRY(expect(TokenKind::right_paren, "a closing parenthesis"));
    return inner;
  }

  Node integer() {
    const Token token = take();
    SyntaxNode literal = node(SyntaxKind::integer, token.offset);
    const char* end = token.text.data() + token.text.size();
    const auto parsed = std::from_chars(token.text.data(), end, literal.magnitude);
    if (parsed.ec != std::errc() || literal.magnitude > smallest_int8_magnitude) {
      return too_large(token.offset);
    }
    return add(std::move(literal), {});
  }

  Node word() {
    const std::string& text = current().text;
    const bool called = next().kind == TokenKind::left_paren;
    if (text == "null") return add(node(SyntaxKind::null, take().offset), {});
    if (called && text == "cast") return cast_call();
    if (called && text == "coalesce") return special_call(SyntaxKind::coalesce);
    if (called && text == "nullif") return special_call(SyntaxKind::nullif);
    if (!called && next().kind != TokenKind::dot && is_reserved_word(text)) return reserved();
    return name_or_call();
  }

  Node reserved() {
    const Token& token = current();
    if (is_operator_word(token.text) || token.text == "true" || token.text == "false") {
      return error(token.offset, "\"" + token.text + "\" is not supported in a key expression",
                   std::string(what_is_supported));
    }
    return error(token.offset, "\"" + token.text + "\" is a word of SQL itself, not a column",
                 "if it is a column's name, put it into double quotes");
  }

  /// CAST(x AS type)
  Node cast_call() {
    const std::size_t offset = take().offset;
    take();
    PGFANOUT_TRY_ASSIGN(const std::uint32_t operand, expression());
    if (current().kind != TokenKind::word || current().text != "as") {
      return error(current().offset, "AS and a type are missing here",
                   "write CAST(value AS type) or value::type");
    }
    take();
    SyntaxNode cast = node(SyntaxKind::cast, offset);
    PGFANOUT_TRY_ASSIGN(cast.type, type_name());
    PGFANOUT_TRY(expect(TokenKind::right_paren, "a closing parenthesis"));
    return add(std::move(cast), {operand});
  }

  /// coalesce and nullif are grammar, not functions: they cannot be qualified or quoted.
  Node special_call(SyntaxKind kind) {
    const std::size_t offset = take().offset;
    PGFANOUT_TRY_ASSIGN(std::vector<std::uint32_t> children, arguments());
    if (kind == SyntaxKind::coalesce && children.empty()) {
      return error(offset, "coalesce needs an argument");
    }
    if (kind == SyntaxKind::nullif && children.size() != 2) {
      return error(offset, "nullif takes two arguments");
    }
    return add(node(kind, offset), std::move(children));
  }

  Node name_or_call() {
    Token name = take();
    if (current().kind == TokenKind::dot) {
      if (name.text != "pg_catalog") {
        return error(name.offset, "a qualified name is not supported here",
                     "name columns without their table, and functions as pg_catalog.name or "
                     "without a schema");
      }
      take();
      if (current().kind != TokenKind::word && current().kind != TokenKind::quoted_word) {
        return unexpected();
      }
      name = take();
      if (current().kind != TokenKind::left_paren) {
        return error(name.offset, "only functions can be qualified by pg_catalog");
      }
    }
    if (current().kind != TokenKind::left_paren) {
      return add(node(SyntaxKind::column, name.offset, std::move(name.text)), {});
    }
    PGFANOUT_TRY_ASSIGN(std::vector<std::uint32_t> children, arguments());
    return add(node(SyntaxKind::call, name.offset, std::move(name.text)), std::move(children));
  }

  Result<std::vector<std::uint32_t>> arguments() {
    std::vector<std::uint32_t> children;
    take();
    if (current().kind != TokenKind::right_paren) {
      while (true) {
        PGFANOUT_TRY_ASSIGN(const std::uint32_t argument, expression());
        children.push_back(argument);
        if (current().kind != TokenKind::comma) break;
        take();
      }
    }
    PGFANOUT_TRY(expect(TokenKind::right_paren, "a comma or a closing parenthesis"));
    return children;
  }

  Result<KeyType> type_name() {
    const std::size_t offset = current().offset;
    bool qualified = false;
    if (current().text == "pg_catalog" && next().kind == TokenKind::dot) {
      take();
      take();
      qualified = true;
    }
    const Token name = current();
    if (name.kind != TokenKind::word && name.kind != TokenKind::quoted_word) return unexpected();
    take();
    const bool keyword_allowed = !qualified && name.kind == TokenKind::word;
    std::string text = name.text;
    if (keyword_allowed && text == "character" && current().kind == TokenKind::word &&
        current().text == "varying") {
      take();
      text = "character varying";
    }
    if (current().kind == TokenKind::left_paren) {
      return error(current().offset, "a type with a length is not supported",
                   "write text, or varchar without a length");
    }
    return cast_target(text, keyword_allowed, offset);
  }

  Result<KeyType> cast_target(const std::string& text, bool keyword_allowed, std::size_t offset) {
    const KeyType type = castable_type(text, keyword_allowed);
    if (type != KeyType::other) return type;
    if (keyword_allowed && (text == "char" || text == "character")) {
      return error(offset, "a cast to char is not supported",
                   "on the server it means char(1); write text, or bpchar for blank-padded text");
    }
    return error(offset, "a cast to " + text + " is not supported",
                 "casts are supported to int2, int4, int8, text, varchar and bpchar");
  }

  Node add(SyntaxNode node, std::vector<std::uint32_t> children) {
    for (const std::uint32_t child : children) {
      const SyntaxNode& inner = tree_.nodes[child];
      if (inner.kind == SyntaxKind::integer && is_beyond_int8(inner)) {
        return too_large(inner.offset);
      }
      node.depth = std::max(node.depth, inner.depth + 1);
    }
    if (node.depth > max_depth) return too_deep(node.offset);
    node.children = std::move(children);
    tree_.nodes.push_back(std::move(node));
    return static_cast<std::uint32_t>(tree_.nodes.size() - 1);
  }

  static SyntaxNode node(SyntaxKind kind, std::size_t offset, std::string text = {}) {
    SyntaxNode result;
    result.kind = kind;
    result.offset = offset;
    result.text = std::move(text);
    return result;
  }

  /// 2^63 is an int8 only with a minus, which may still come while the literal is being read.
  static bool is_beyond_int8(const SyntaxNode& literal) {
    return literal.magnitude == smallest_int8_magnitude && !literal.negative;
  }

  [[nodiscard]] const Token& current() const { return tokens_[at_]; }
  [[nodiscard]] const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  [[nodiscard]] bool is_op(std::string_view text) const {
    return current().kind == TokenKind::op && current().text == text;
  }
  Token take() {
    Token token = current();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }

  Result<void> expect(TokenKind kind, const std::string& what) {
    if (current().kind == kind) {
      take();
      return {};
    }
    if (current().kind == TokenKind::end) {
      return error(current().offset, "the expression ends where " + what + " is missing");
    }
    return unexpected();
  }

  [[nodiscard]] Error unexpected() const {
    const Token& token = current();
    std::string hint(what_is_supported);
    switch (token.kind) {
      case TokenKind::end:
        return error(token.offset, "the expression ends where a value is missing");
      case TokenKind::op:
        return error(token.offset, "the operator " + token.text + " is not supported here",
                     token.text.size() > 1 && (token.text.back() == '-' || token.text.back() == '+')
                         ? "the server reads these characters as one operator: put a blank or "
                           "parentheses between them"
                         : std::move(hint));
      case TokenKind::string:
        return error(token.offset, "a string is not expected here", std::move(hint));
      default:
        return error(token.offset, "\"" + token.text + "\" is not expected here", std::move(hint));
    }
  }

  [[nodiscard]] Error too_large(std::size_t offset) const {
    return error(offset, "this number does not fit into bigint",
                 "the server would compute with numeric, which is not supported");
  }

  [[nodiscard]] Error too_deep(std::size_t offset) const {
    return error(offset, "the expression is nested too deeply",
                 "at most " + std::to_string(max_depth) + " levels are supported");
  }

  [[nodiscard]] Error error(std::size_t offset, std::string message, std::string hint = {}) const {
    return key_error(sql_, offset, std::move(message), std::move(hint));
  }

  std::string_view sql_;
  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::uint32_t level_ = 0;
  SyntaxTree tree_;
};

}  // namespace

Result<SyntaxTree> parse_key_expression(std::string_view sql) {
  if (sql.size() > max_expression_bytes) {
    return key_error(
        sql, 0,
        "the key expression is longer than " + std::to_string(max_expression_bytes) + " bytes");
  }
  PGFANOUT_TRY_ASSIGN(std::vector<Token> tokens, tokenize(sql));
  if (tokens.front().kind == TokenKind::end) {
    return key_error(sql, 0, "the key expression is empty",
                     "for example: hashtext(id::text) % 100");
  }
  return Parser(sql, std::move(tokens)).run();
}

}  // namespace pgfanout::keyexpr

// From SQL to the syntax tree: refusals, a lexer that works by the server's rules, and a parser by
// recursive descent.
#include <algorithm>
#include <charconv>
#include <utility>

#include "copier/base/lists.h"
#include "hashing/key_forms.h"

namespace pgfanout::keyexpr {
namespace {

constexpr std::size_t whole_line_bytes = 160;
constexpr std::size_t bytes_before_place = 60;
constexpr std::size_t bytes_after_place = 60;

bool continues_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U;
}

/// The nearest start of a character at or before `offset`.
std::size_t character_start(std::string_view sql, std::size_t offset) {
  while (offset > 0 && offset < sql.size() && continues_character(sql[offset])) --offset;
  return offset;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char byte) { return !continues_character(byte); }));
}

/// The expression (the part around the place, if it is long) and under it a caret.
std::string show_place(std::string_view sql, std::size_t offset) {
  const std::size_t place = character_start(sql, std::min(offset, sql.size()));
  std::size_t from = 0;
  std::size_t to = sql.size();
  if (sql.size() > whole_line_bytes) {
    from = character_start(sql, place - std::min(place, bytes_before_place));
    to = character_start(sql, std::min(sql.size(), place + bytes_after_place));
  }
  std::string line = from > 0 ? "..." : "";
  const std::size_t column = line.size() + count_characters(sql.substr(from, place - from));
  line += sql.substr(from, to - from);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  if (to < sql.size()) line += "...";
  return line + '\n' + std::string(column, ' ') + '^';
}

// Words from the server's pg_get_keywords() (catcode R and T) of versions 14 to 18, each between
// two blanks. A word that only one version reserves is listed: quoting a name is always possible.
constexpr std::string_view reserved_words =
    " all analyse analyze and any array as asc asymmetric authorization binary both case cast"
    " check collate collation column concurrently constraint create cross current_catalog"
    " current_date current_role current_schema current_time current_timestamp current_user"
    " default deferrable desc distinct do else end except false fetch for foreign freeze from"
    " full grant group having ilike in initially inner intersect into is isnull join lateral"
    " leading left like limit localtime localtimestamp natural not notnull null offset on"
    " only or order outer overlaps placing primary references returning right select"
    " session_user similar some symmetric system_user table tablesample then to trailing true"
    " union unique user using variadic verbose when where window with ";
// Those of them that work like an operator.
constexpr std::string_view operator_words =
    " and case collate ilike in is isnull like not notnull or overlaps similar ";

bool is_among(std::string_view words, const std::string& word) {
  return words.find(" " + word + " ") != std::string_view::npos;
}

enum class TokenKind : std::uint8_t {
  word,         ///< Unquoted name or keyword, folded to lower case (ASCII letters only).
  quoted_word,  ///< "Name", with its quotes taken off.
  string,       ///< 'text', with its quotes taken off.
  integer,      ///< Decimal digits.
  op,           ///< A run of operator characters.
  cast,         ///< ::
  left_paren,
  right_paren,
  comma,
  dot,
  end,  ///< Always the last one.
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::size_t offset = 0;  ///< In bytes, from the start of the expression.
  std::string text;        ///< Content as described at the kind; for `op` its characters.
};

constexpr std::string_view operator_characters = "~!@#^&|`?+-*/%<>=";
// A longer operator may end in + or - only if it has one of these: so `*-` is two, `%-` is one.
constexpr std::string_view binding_characters = "~!@#%^&|`?";

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_word_part(char c) {
  return is_word_start(c) || is_digit(c) || c == '$';
}

/// Operators are the longest run of operator characters, as on the server: `5 %-1` has the unknown
/// operator `%-`, while `5 *-1` has `*` and `-`. Comments, E'' strings, U&'' forms, dollar quoting,
/// parameters and numbers that are no plain integers are refused here.
class Lexer : Pass {
 public:
  explicit Lexer(std::string_view sql) : Pass(sql) {}

  /// The last token is of kind `end`.
  Result<std::vector<Token>> run() {
    for (skip_blanks(); at_ < sql_.size(); skip_blanks()) {
      PGFANOUT_TRY(next());
    }
    add(TokenKind::end, at_, {});
    return std::move(tokens_);
  }

 private:
  Result<void> next() {
    const char c = sql_[at_];
    if (is_word_start(c)) return word();
    if (is_digit(c)) return integer();
    if (c == '\'') return quoted(TokenKind::string);
    if (c == '"') return quoted(TokenKind::quoted_word);
    if (operator_characters.find(c) != std::string_view::npos) return operator_run();
    return punctuation();
  }

  Result<void> punctuation() {
    const char c = sql_[at_];
    if (c == ':' && peek(1) == ':') return take(TokenKind::cast, 2);
    if (c == '(') return take(TokenKind::left_paren, 1);
    if (c == ')') return take(TokenKind::right_paren, 1);
    if (c == ',') return take(TokenKind::comma, 1);
    if (c == '.') {
      if (is_digit(peek(1))) return fractional(at_);
      return take(TokenKind::dot, 1);
    }
    if (c == '$') {
      return error(at_, "dollar quoting and parameters are not supported",
                   "write a string as 'text' and a value in place of a parameter");
    }
    if (static_cast<unsigned char>(c) < 0x20) {
      return error(at_, "a control character is not allowed in a key expression");
    }
    return error(at_, "unexpected character '" + std::string(1, c) + "'");
  }

  Result<void> word() {
    const std::size_t start = at_;
    std::string text;
    while (at_ < sql_.size() && is_word_part(sql_[at_])) text += to_lower(sql_[at_++]);
    if (peek(0) == '\'') {
      return error(start, "a word directly before a string is not supported",
                   "write the string as plain 'text', without E, B, X, N or a type before it");
    }
    if (text == "u" && peek(0) == '&' && (peek(1) == '\'' || peek(1) == '"')) {
      return error(start, "U& strings and names are not supported",
                   "write the characters themselves");
    }
    add(TokenKind::word, start, std::move(text));
    return {};
  }

  Result<void> integer() {
    const std::size_t start = at_;
    while (is_digit(peek(0))) ++at_;
    if (peek(0) == '.') return fractional(start);
    if (is_word_part(peek(0))) {
      return error(start, "only plain decimal integers are supported",
                   "write digits only: no exponent, no underscores, no 0x, and a blank after them");
    }
    add(TokenKind::integer, start, std::string(sql_.substr(start, at_ - start)));
    return {};
  }

  Result<void> fractional(std::size_t start) {
    return error(start, "a number with a fraction is not supported",
                 "a key expression computes with whole numbers only");
  }

  /// 'text' or "name"; the quote itself is written twice inside.
  Result<void> quoted(TokenKind kind) {
    const std::size_t start = at_;
    const char quote = sql_[at_++];
    std::string text;
    while (true) {
      if (at_ >= sql_.size()) {
        return error(start,
                     quote == '"' ? "this quoted name is not closed" : "this string is not closed");
      }
      const char c = sql_[at_++];
      if (c == '\0') return error(at_ - 1, "a zero byte is not allowed in a key expression");
      if (c == quote) {
        if (peek(0) != quote) break;
        ++at_;
      }
      text += c;
    }
    if (kind == TokenKind::quoted_word && text.empty()) return error(start, "a name is empty");
    add(kind, start, std::move(text));
    return {};
  }

  Result<void> operator_run() {
    const std::size_t start = at_;
    std::size_t end = at_;
    while (end < sql_.size() && operator_characters.find(sql_[end]) != std::string_view::npos) {
      const std::string_view two = sql_.substr(end, 2);
      if (two == "--" || two == "/*") {
        return error(end, "comments are not supported in a key expression",
                     "two minus signs start a comment: write a blank or parentheses between them");
      }
      ++end;
    }
    std::string_view run = sql_.substr(start, end - start);
    const bool keeps_sign = run.find_first_of(binding_characters) != std::string_view::npos;
    while (run.size() > 1 && !keeps_sign && (run.back() == '+' || run.back() == '-')) {
      run.remove_suffix(1);
    }
    return take(TokenKind::op, run.size());
  }

  Result<void> take(TokenKind kind, std::size_t length) {
    add(kind, at_, std::string(sql_.substr(at_, length)));
    at_ += length;
    return {};
  }

  void add(TokenKind kind, std::size_t offset, std::string text) {
    tokens_.push_back({kind, offset, std::move(text)});
  }

  void skip_blanks() {
    while (at_ < sql_.size() && is_blank(sql_[at_])) ++at_;
  }

  [[nodiscard]] char peek(std::size_t ahead) const {
    return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0';
  }

  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

constexpr std::uint64_t smallest_int8_magnitude = std::uint64_t{1} << 63;

/// One function a level of precedence, loosest first. Every way down passes through nested(), which
/// bounds the stack.
class Parser : Pass {
 public:
  Parser(std::string_view sql, std::vector<Token> tokens) : Pass(sql), tokens_(std::move(tokens)) {}

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

  /// Parses one level deeper, unless that is too deep.
  template <class Parse>
  Node nested(Parse parse) {
    if (++level_ > max_depth) return too_deep(current().offset);
    Node node = parse();
    --level_;
    return node;
  }

  /// || | & # : all of one precedence, as on the server, where they are "any other operator".
  Node expression() {
    return nested([this] { return left_associative({"||", "|", "&", "#"}, &Parser::sum); });
  }
  Node sum() { return left_associative({"+", "-"}, &Parser::product); }
  Node product() { return left_associative({"*", "/", "%"}, &Parser::signed_operand); }

  Node left_associative(std::initializer_list<std::string_view> operators,
                        Node (Parser::*operand)()) {
    PGFANOUT_TRY_ASSIGN(std::uint32_t left, (this->*operand)());
    while (current().kind == TokenKind::op && contains(operators, current().text)) {
      Token op = take();
      PGFANOUT_TRY_ASSIGN(const std::uint32_t right, (this->*operand)());
      PGFANOUT_TRY_ASSIGN(
          left, add(node(SyntaxKind::binary, op.offset, std::move(op.text)), {left, right}));
    }
    return left;
  }

  /// A sign binds tighter than any binary operator, but looser than `::`. The server folds a minus
  /// into the literal after it, and only then chooses the literal's type; so does this.
  Node signed_operand() {
    if (!is_op("+") && !is_op("-")) return casted();
    return nested([this]() -> Node {
      Token op = take();
      PGFANOUT_TRY_ASSIGN(const std::uint32_t operand, signed_operand());
      SyntaxNode& inner = tree_.nodes[operand];
      if (op.text == "-" && inner.kind == SyntaxKind::integer) {
        inner.negative = !inner.negative;
        inner.offset = op.offset;
        return operand;
      }
      return add(node(SyntaxKind::unary, op.offset, std::move(op.text)), {operand});
    });
  }

  Node casted() {
    PGFANOUT_TRY_ASSIGN(std::uint32_t operand, primary());
    while (current().kind == TokenKind::cast) {
      const std::size_t offset = take().offset;
      PGFANOUT_TRY_ASSIGN(const KeyType type, type_name());
      PGFANOUT_TRY_ASSIGN(operand, add(node(SyntaxKind::cast, offset, {}, type), {operand}));
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
    if (!called && next().kind != TokenKind::dot && is_among(reserved_words, text))
      return reserved();
    return name_or_call();
  }

  Node reserved() {
    const Token& token = current();
    if (is_among(operator_words, token.text) || token.text == "true" || token.text == "false") {
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
    PGFANOUT_TRY_ASSIGN(const KeyType type, type_name());
    PGFANOUT_TRY(expect(TokenKind::right_paren, "a closing parenthesis"));
    return add(node(SyntaxKind::cast, offset, {}, type), {operand});
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

  static SyntaxNode node(SyntaxKind kind, std::size_t offset, std::string text = {},
                         KeyType type = KeyType::other) {
    SyntaxNode result;
    result.type = type;
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

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  std::uint32_t level_ = 0;
  SyntaxTree tree_;
};

}  // namespace

Error key_error(std::string_view sql, std::size_t offset, std::string message, std::string hint) {
  return refused("key-expression", std::move(message), std::move(hint), show_place(sql, offset));
}

Result<SyntaxTree> parse_key_expression(std::string_view sql) {
  constexpr std::size_t max_expression_bytes = 8192;
  if (sql.size() > max_expression_bytes) {
    return key_error(
        sql, 0,
        "the key expression is longer than " + std::to_string(max_expression_bytes) + " bytes");
  }
  PGFANOUT_TRY_ASSIGN(std::vector<Token> tokens, Lexer(sql).run());
  if (tokens.front().kind == TokenKind::end) {
    return key_error(sql, 0, "the key expression is empty",
                     "for example: hashtext(id::text) % 100");
  }
  return Parser(sql, std::move(tokens)).run();
}

}  // namespace pgfanout::keyexpr

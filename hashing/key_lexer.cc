// One pass over the bytes; each function below takes one kind of token off the front.
#include "hashing/key_lexer.h"

#include <fmt/format.h>

#include <utility>

#include "hashing/key_error.h"

namespace pgfanout::keyexpr {
namespace {

constexpr std::string_view operator_characters = "~!@#^&|`?+-*/%<>=";
// A longer operator may end in + or - only if it has one of these: that is what lets `a*-b` be two.
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
char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

class Lexer {
 public:
  explicit Lexer(std::string_view sql) : sql_(sql) {}

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
    return error(at_, fmt::format("unexpected character '{}'", c));
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
                   "write digits only: no exponent, no underscores, no 0x, and a blank behind");
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

  [[nodiscard]] Error error(std::size_t offset, std::string message, std::string hint = {}) const {
    return key_error(sql_, offset, std::move(message), std::move(hint));
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view sql) {
  return Lexer(sql).run();
}

}  // namespace pgfanout::keyexpr

#include "copier/catalog/sql_words.h"

#include <algorithm>

#include "copier/catalog/sql_bytes.h"

namespace pgfanout {
namespace {

/// Walks over the text; each take_...() returns where the word ends.
class Scanner {
 public:
  explicit Scanner(std::string_view sql) : sql_(sql) {}

  std::vector<SqlWord> scan() {
    while (at_ < sql_.size()) {
      if (!skip_blank_or_comment()) take_word();
    }
    return std::move(words_);
  }

 private:
  [[nodiscard]] bool sees(std::string_view text) const {
    return sql_.substr(at_).starts_with(text);
  }

  bool skip_blank_or_comment() {
    if (std::string_view(" \t\n\r\f\v").find(sql_[at_]) != std::string_view::npos) {
      ++at_;
      return true;
    }
    if (sees("--")) {
      at_ = std::min(sql_.find('\n', at_), sql_.size());
      return true;
    }
    if (!sees("/*")) return false;
    int depth = 0;
    do {
      if (sees("/*")) {
        ++depth;
        at_ += 2;
      } else if (sees("*/")) {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    } while (depth > 0 && at_ < sql_.size());
    return true;
  }

  void take_word() {
    const char first = sql_[at_];
    if (first == '\'') return take_string(false);
    if (first == '"') return take_quoted_name();
    if (first == '$' && take_dollar_string()) return;
    if (starts_sql_name(first)) return take_name();
    if (is_sql_digit(first)) return take_number();
    words_.push_back({SqlWordKind::symbol, std::string(1, first)});
    ++at_;
  }

  void take_string(bool has_escapes) {
    for (++at_; at_ < sql_.size(); ++at_) {
      if (has_escapes && sql_[at_] == '\\') {
        ++at_;
      } else if (sql_[at_] == '\'') {
        if (at_ + 1 >= sql_.size() || sql_[at_ + 1] != '\'') break;
        ++at_;
      }
    }
    at_ = std::min(at_ + 1, sql_.size());
    words_.push_back({SqlWordKind::literal, {}});
  }

  void take_quoted_name() {
    std::string name;
    for (++at_; at_ < sql_.size(); ++at_) {
      if (sql_[at_] == '"') {
        if (at_ + 1 >= sql_.size() || sql_[at_ + 1] != '"') break;
        ++at_;
      }
      name += sql_[at_];
    }
    at_ = std::min(at_ + 1, sql_.size());
    words_.push_back({SqlWordKind::quoted_name, std::move(name)});
  }

  bool take_dollar_string() {
    std::size_t tag_end = at_ + 1;
    while (tag_end < sql_.size() &&
           (starts_sql_name(sql_[tag_end]) || is_sql_digit(sql_[tag_end]))) {
      ++tag_end;
    }
    if (tag_end >= sql_.size() || sql_[tag_end] != '$') return false;
    const std::string_view tag = sql_.substr(at_, tag_end - at_ + 1);
    const auto end = sql_.find(tag, tag_end + 1);
    at_ = end == std::string_view::npos ? sql_.size() : end + tag.size();
    words_.push_back({SqlWordKind::literal, {}});
    return true;
  }

  void take_name() {
    const std::size_t start = at_;
    while (at_ < sql_.size() && continues_sql_name(sql_[at_])) ++at_;
    std::string name(sql_.substr(start, at_ - start));
    std::transform(name.begin(), name.end(), name.begin(), [](char byte) {
      return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    });
    // E'...', B'...', X'...', N'...': the letter belongs to the literal.
    if (name.size() == 1 && at_ < sql_.size() && sql_[at_] == '\'' &&
        std::string_view("ebxn").find(name[0]) != std::string_view::npos) {
      return take_string(name[0] == 'e');
    }
    words_.push_back({SqlWordKind::name, std::move(name)});
  }

  void take_number() {
    while (at_ < sql_.size() && (continues_sql_name(sql_[at_]) || sql_[at_] == '.')) ++at_;
    words_.push_back({SqlWordKind::literal, {}});
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  std::vector<SqlWord> words_;
};

}  // namespace

std::vector<SqlWord> sql_words(std::string_view sql) {
  return Scanner(sql).scan();
}

}  // namespace pgfanout

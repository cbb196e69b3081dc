// Finds chains of names ("public.chunks", chunks.id) in SQL text and replaces those that mean the
// table.
#include "copier/catalog/own_name.h"

#include <cctype>
#include <cstddef>
#include <vector>

#include "copier/catalog/sql_bytes.h"

namespace pgfanout {
namespace {

/// Names joined by points. `ends[i]` is where the i-th name ends in the text.
struct Chain {
  std::vector<std::string> names;
  std::vector<std::size_t> ends;
  bool is_quoted = false;  ///< The first of them.
};

class Replacer {
 public:
  Replacer(std::string_view sql, std::string_view schema, std::string_view name)
      : sql_(sql), schema_(schema), name_(name) {}

  std::string replace() {
    while (at_ < sql_.size()) {
      if (sql_[at_] == '\'') {
        copy_literal(end_of_literal(before_ == "E"));
      } else if (sql_[at_] == '$') {
        copy_literal(end_of_dollar_quoted());
      } else if (sql_[at_] == '"' || starts_sql_name(sql_[at_])) {
        take_chain();
      } else {
        copy_symbol();
      }
    }
    return std::move(out_);
  }

 private:
  void copy_to(std::size_t end) {
    out_.append(sql_.substr(at_, end - at_));
    at_ = end;
  }

  void copy_literal(std::size_t end) {
    copy_to(end);
    before_.clear();
  }

  void copy_symbol() {
    const char byte = sql_[at_];
    copy_to(at_ + 1);
    if (std::isspace(static_cast<unsigned char>(byte)) != 0) return;
    before_ = byte == ':' && before_ == ":" ? "::" : std::string(1, byte);
  }

  /// Behind the closing quote; the text's end if there is none.
  [[nodiscard]] std::size_t end_of_literal(bool has_escapes) const {
    for (std::size_t i = at_ + 1; i < sql_.size(); ++i) {
      if (has_escapes && sql_[i] == '\\') {
        ++i;
      } else if (sql_[i] == '\'') {
        if (i + 1 >= sql_.size() || sql_[i + 1] != '\'') return i + 1;
        ++i;
      }
    }
    return sql_.size();
  }

  [[nodiscard]] std::size_t end_of_dollar_quoted() const {
    std::size_t tag_end = at_ + 1;
    while (tag_end < sql_.size() && starts_sql_name(sql_[tag_end])) ++tag_end;
    if (tag_end >= sql_.size() || sql_[tag_end] != '$') return at_ + 1;
    const std::string_view tag = sql_.substr(at_, tag_end + 1 - at_);
    const std::size_t close = sql_.find(tag, tag_end + 1);
    return close == std::string_view::npos ? sql_.size() : close + tag.size();
  }

  [[nodiscard]] std::size_t end_of_name(std::size_t from) const {
    std::size_t end = from + 1;
    if (sql_[from] == '"') {
      for (; end < sql_.size(); ++end) {
        if (sql_[end] != '"') continue;
        if (end + 1 >= sql_.size() || sql_[end + 1] != '"') return end + 1;
        ++end;
      }
      return sql_.size();
    }
    while (end < sql_.size() && continues_sql_name(sql_[end])) ++end;
    return end;
  }

  [[nodiscard]] std::string name_between(std::size_t from, std::size_t end) const {
    if (sql_[from] != '"') return std::string(sql_.substr(from, end - from));
    std::string name;
    for (std::size_t i = from + 1; i + 1 < end; ++i) {
      name += sql_[i];
      if (sql_[i] == '"') ++i;
    }
    return name;
  }

  [[nodiscard]] Chain read_chain() const {
    Chain chain;
    chain.is_quoted = sql_[at_] == '"';
    std::size_t from = at_;
    while (true) {
      const std::size_t end = end_of_name(from);
      chain.names.push_back(name_between(from, end));
      chain.ends.push_back(end);
      const bool goes_on = end + 1 < sql_.size() && sql_[end] == '.' &&
                           (sql_[end + 1] == '"' || starts_sql_name(sql_[end + 1]));
      if (!goes_on) return chain;
      from = end + 1;
    }
  }

  void take_chain() {
    const Chain chain = read_chain();
    const std::size_t replaced = names_of_table(chain);
    if (replaced > 0) {
      out_ += kOwnTable;
      at_ = chain.ends[replaced - 1];
    }
    copy_to(chain.ends.back());
    before_ = chain.names.size() == 1 && !chain.is_quoted ? chain.names.front() : "";
  }

  /// How many names at the chain's beginning mean the table: "schema.table" 2, "table.column" 1.
  [[nodiscard]] std::size_t names_of_table(const Chain& chain) const {
    const std::size_t end = chain.ends.back();
    const char next = end < sql_.size() ? sql_[end] : '\0';
    const bool is_call = next == '(';
    if (chain.names.size() >= 2 && chain.names[0] == schema_ && chain.names[1] == name_) {
      return is_call && before_ != "REFERENCES" ? 0 : 2;
    }
    if (chain.names[0] != name_ || before_ == "." || before_ == "::") return 0;
    const bool is_qualifier = chain.names.size() >= 2 || next == '.';
    return is_qualifier && !is_call && !relation_follows() ? 1 : 0;
  }

  /// Here "chunks.x" is a relation in a schema that has the table's name.
  [[nodiscard]] bool relation_follows() const {
    for (const char* word : {"FROM", "JOIN", "ON", "ONLY", "REFERENCES", "INTO", "UPDATE"}) {
      if (before_ == word) return true;
    }
    return false;
  }

  std::string_view sql_;
  std::string_view schema_;
  std::string_view name_;
  std::size_t at_ = 0;
  std::string before_;  ///< The unquoted word or symbol before `at_`.
  std::string out_;
};

}  // namespace

std::string without_own_name(std::string_view sql, std::string_view schema, std::string_view name) {
  return Replacer(sql, schema, name).replace();
}

}  // namespace pgfanout

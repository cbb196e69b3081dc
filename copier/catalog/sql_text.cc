#include "copier/catalog/sql_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"

namespace pgfanout {
namespace {

bool is_blank(char byte) {
  return std::string_view(" \t\n\r\f\v").find(byte) != std::string_view::npos;
}

class Cutter {
 public:
  explicit Cutter(std::string_view sql) : sql_(sql) {}

  std::vector<SqlPiece> cut() {
    while (at_ < sql_.size()) cut_one();
    return std::move(pieces_);
  }

 private:
  void cut_one() {
    const char first = sql_[at_];
    if (is_blank(first)) {
      take(SqlPieceKind::blank, end_while(is_blank));
    } else if (sees("--")) {
      take(SqlPieceKind::blank, std::min(sql_.find('\n', at_), sql_.size()));
    } else if (sees("/*")) {
      take(SqlPieceKind::blank, end_of_comment());
    } else if (first == '\'') {
      take(SqlPieceKind::literal, end_of_quoted('\'', at_, false));
    } else if (first == '"') {
      take_quoted_name();
    } else if (first == '$' && end_of_dollar_quoted() != 0) {
      take(SqlPieceKind::literal, end_of_dollar_quoted());
    } else if (starts_sql_name(first)) {
      take_name();
    } else if (is_sql_digit(first)) {
      take(SqlPieceKind::literal,
           end_while([](char byte) { return continues_sql_name(byte) || byte == '.'; }));
    } else {
      take(SqlPieceKind::symbol, at_ + 1);
    }
  }

  [[nodiscard]] bool sees(std::string_view text) const {
    return sql_.substr(at_).starts_with(text);
  }

  /// Comments nest.
  [[nodiscard]] std::size_t end_of_comment() const {
    int depth = 0;
    std::size_t at = at_;
    do {
      const std::string_view rest = sql_.substr(at);
      if (rest.starts_with("/*")) ++depth;
      if (rest.starts_with("*/")) --depth;
      at += rest.starts_with("/*") || rest.starts_with("*/") ? 2U : 1U;
    } while (depth > 0 && at < sql_.size());
    return std::min(at, sql_.size());
  }

  template <class Predicate>
  [[nodiscard]] std::size_t end_while(Predicate goes_on) const {
    std::size_t end = at_ + 1;
    while (end < sql_.size() && goes_on(sql_[end])) ++end;
    return end;
  }

  /// Behind the closing quote of what opens at `open`; the text's end if there is none.
  [[nodiscard]] std::size_t end_of_quoted(char quote, std::size_t open, bool has_escapes) const {
    for (std::size_t at = open + 1; at < sql_.size(); ++at) {
      if (has_escapes && sql_[at] == '\\') {
        ++at;
      } else if (sql_[at] == quote) {
        if (at + 1 >= sql_.size() || sql_[at + 1] != quote) return at + 1;
        ++at;
      }
    }
    return sql_.size();
  }

  /// 0: no dollar quote begins here.
  [[nodiscard]] std::size_t end_of_dollar_quoted() const {
    std::size_t tag_end = at_ + 1;
    while (tag_end < sql_.size() &&
           (starts_sql_name(sql_[tag_end]) || is_sql_digit(sql_[tag_end]))) {
      ++tag_end;
    }
    if (tag_end >= sql_.size() || sql_[tag_end] != '$') return 0;
    const std::string_view tag = sql_.substr(at_, tag_end + 1 - at_);
    const std::size_t close = sql_.find(tag, tag_end + 1);
    return close == std::string_view::npos ? sql_.size() : close + tag.size();
  }

  void take(SqlPieceKind kind, std::size_t end, std::string name = {}) {
    pieces_.push_back({kind, std::string(sql_.substr(at_, end - at_)), std::move(name)});
    at_ = end;
  }

  void take_name() {
    const std::size_t end = end_while(continues_sql_name);
    // E'...' and its like: the letter belongs to the literal.
    if (end == at_ + 1 && end < sql_.size() && sql_[end] == '\'' &&
        std::string_view("EeBbXxNn").find(sql_[at_]) != std::string_view::npos) {
      const bool has_escapes = sql_[at_] == 'E' || sql_[at_] == 'e';
      return take(SqlPieceKind::literal, end_of_quoted('\'', end, has_escapes));
    }
    take(SqlPieceKind::name, end, std::string(sql_.substr(at_, end - at_)));
  }

  void take_quoted_name() {
    const std::size_t end = end_of_quoted('"', at_, false);
    std::string name;
    for (std::size_t at = at_ + 1; at + 1 < end; ++at) {
      name += sql_[at];
      if (sql_[at] == '"') ++at;
    }
    take(SqlPieceKind::quoted_name, end, std::move(name));
  }

  std::string_view sql_;
  std::size_t at_ = 0;
  std::vector<SqlPiece> pieces_;
};

bool is_symbol(const std::vector<SqlPiece>& pieces, std::size_t at, std::string_view symbol) {
  return at < pieces.size() && pieces[at].is(symbol);
}

/// Whether kOwnTable begins here.
bool is_own_table(const std::vector<SqlPiece>& pieces, std::size_t at) {
  return is_symbol(pieces, at, "<") && at + 2 < pieces.size() &&
         pieces[at + 1].kind == SqlPieceKind::name && pieces[at + 1].text == "table" &&
         is_symbol(pieces, at + 2, ">");
}

/// Whether the name at `at` can be a column of the table.
bool may_be_column(const std::vector<SqlPiece>& pieces, std::size_t at) {
  if (is_symbol(pieces, at + 1, "(")) return false;
  if (at == 0) return true;
  if (is_symbol(pieces, at - 1, ":")) return false;
  if (!is_symbol(pieces, at - 1, ".")) {
    return !(is_symbol(pieces, at - 1, "<") && is_own_table(pieces, at - 1));
  }
  if (at < 2) return false;
  const SqlPiece& qualifier = pieces[at - 2];
  if (qualifier.kind == SqlPieceKind::name) {
    return qualifier.text == "new" || qualifier.text == "old";
  }
  return at >= 4 && is_own_table(pieces, at - 4);
}

/// After these "chunks.x" is a relation in a schema that has the table's name.
bool is_before_relation(std::string_view word) {
  constexpr std::string_view kWords[] = {"FROM",       "JOIN", "ON",    "ONLY",
                                         "REFERENCES", "INTO", "UPDATE"};
  return contains(kWords, word);
}

}  // namespace

std::vector<SqlPiece> sql_pieces(std::string_view sql) {
  return Cutter(sql).cut();
}

std::vector<SqlPiece> sql_words(std::string_view sql) {
  std::vector<SqlPiece> words = sql_pieces(sql);
  std::erase_if(words, [](const SqlPiece& piece) { return piece.kind == SqlPieceKind::blank; });
  for (SqlPiece& word : words) {
    if (word.kind == SqlPieceKind::name) word.name = lower_case(word.name);
  }
  return words;
}

std::string without_own_name(std::string_view sql, std::string_view schema, std::string_view name) {
  const std::vector<SqlPiece> pieces = sql_pieces(sql);
  std::string out;
  std::string before;  // The unquoted word or symbol before `at`; "::" for a cast.
  for (std::size_t at = 0; at < pieces.size();) {
    const SqlPiece& first = pieces[at];
    if (!first.is_name()) {
      if (first.kind == SqlPieceKind::literal) before.clear();
      if (first.kind == SqlPieceKind::symbol)
        before = first.is(":") && before == ":" ? "::" : first.text;
      out += first.text;
      ++at;
      continue;
    }
    // A chain of names that are joined by points: "schema.table" or "table.column" at its beginning
    // means the table.
    std::size_t end = at + 1;
    while (is_symbol(pieces, end, ".") && end + 1 < pieces.size() && pieces[end + 1].is_name()) {
      end += 2;
    }
    const bool is_chain = end > at + 1;
    const bool is_call = is_symbol(pieces, end, "(");
    const bool is_qualifier = is_chain || is_symbol(pieces, end, ".");
    if (is_chain && first.name == schema && pieces[at + 2].name == name) {
      if (!is_call || before == "REFERENCES") {
        out += kOwnTable;
        at += 3;
      }
    } else if (first.name == name && before != "." && before != "::" && is_qualifier && !is_call &&
               !is_before_relation(before)) {
      out += kOwnTable;
      ++at;
    }
    before = first.kind == SqlPieceKind::name && !is_chain ? first.text : "";
    for (; at < end; ++at) out += pieces[at].text;
  }
  return out;
}

std::string with_relation(std::string_view sql, std::string_view schema, std::string_view name,
                          std::string_view replacement) {
  const std::vector<SqlPiece> pieces = sql_pieces(without_own_name(sql, schema, name));
  std::string out;
  for (std::size_t at = 0; at < pieces.size(); ++at) {
    if (is_own_table(pieces, at)) {
      out += replacement;
      at += 2;
    } else {
      out += pieces[at].text;
    }
  }
  return out;
}

std::string with_columns(std::string_view sql, const std::map<std::string, std::string>& renames) {
  if (renames.empty()) return std::string(sql);
  const std::vector<SqlPiece> pieces = sql_pieces(sql);
  std::string out;
  for (std::size_t at = 0; at < pieces.size(); ++at) {
    const auto renamed = renames.find(pieces[at].name);
    if (pieces[at].is_name() && renamed != renames.end() && may_be_column(pieces, at)) {
      out += quoted_name(renamed->second);
    } else {
      out += pieces[at].text;
    }
  }
  return out;
}

std::size_t end_of_list(std::string_view sql) {
  std::size_t offset = 0;
  int depth = 0;
  for (const SqlPiece& piece : sql_pieces(sql)) {
    offset += piece.text.size();
    if (piece.is("(")) ++depth;
    if (piece.is(")") && --depth == 0) return offset;
  }
  return std::string_view::npos;
}

std::string with_item(std::string_view sql, std::string_view item) {
  const std::size_t end = end_of_list(sql);
  if (end == std::string_view::npos) return std::string(sql);
  return fmt::format("{}, {}{}", sql.substr(0, end - 1), item, sql.substr(end - 1));
}

std::string without_item(std::string_view sql, std::string_view item) {
  const std::size_t open = sql.find('(');
  const std::size_t end = end_of_list(sql);
  if (end == std::string_view::npos) return std::string(sql);
  const std::string_view list = sql.substr(open, end - open);
  const std::pair<std::string, std::string> forms[] = {{fmt::format(", {})", item), ")"},
                                                       {fmt::format("({}, ", item), "("},
                                                       {fmt::format(", {}, ", item), ", "}};
  for (const auto& [with, without] : forms) {
    const std::size_t found = list.find(with);
    if (found == std::string_view::npos) continue;
    return std::string(sql).replace(open + found, with.size(), without);
  }
  return std::string(sql);
}

std::string dollar_quoted(std::string_view body) {
  std::string tag = "$pgfanout$";
  while (body.find(tag) != std::string_view::npos) tag.insert(tag.size() - 1, "_");
  return fmt::format("{}{}{}", tag, body, tag);
}

std::string parenthesized(std::string_view sql) {
  return fmt::format("({}{})", sql, sql.find("--") == std::string_view::npos ? "" : "\n");
}

std::string do_block(std::string_view body) {
  return "DO " + dollar_quoted(body);
}

std::string with_placeholder(std::string_view text, std::string_view placeholder,
                             std::string_view replacement) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t found = text.find(placeholder, at);
    out += text.substr(at, found == std::string_view::npos ? found : found - at);
    if (found == std::string_view::npos) break;
    out += replacement;
    at = found + placeholder.size();
  }
  return out;
}

}  // namespace pgfanout

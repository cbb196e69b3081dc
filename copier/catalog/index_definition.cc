#include "copier/catalog/index_definition.h"

#include <fmt/format.h>

#include <algorithm>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

Error bad_index(std::string message) {
  return refused("bad-index", std::move(message),
                 "write CREATE INDEX name ON {table} (...), or CREATE UNIQUE INDEX ...; {table} "
                 "stands for the new table");
}

/// Reads the pieces of a statement one after the other, blanks and comments left out.
class DefinitionReader {
 public:
  explicit DefinitionReader(std::string_view sql) : pieces_(sql_pieces(sql)) {}

  Result<IndexDefinition> read() {
    if (!take_word("create")) return bad_index("the definition of an index begins with CREATE");
    IndexDefinition index;
    index.is_unique = take_word("unique");
    if (!take_word("index")) return bad_index("the definition is not that of an index");
    if (take_word("concurrently")) {
      return bad_index("an index of the new table is not built CONCURRENTLY: nobody reads it yet");
    }
    const SqlPiece* name = next();
    if (name == nullptr || !name->is_name() || is_word(*name, "on") || is_word(*name, "if")) {
      return bad_index("the index needs a name, and no IF NOT EXISTS");
    }
    index.name = name->kind == SqlPieceKind::quoted_name ? name->name : lower_case(name->name);
    ++at_;
    if (index.name.size() > kMaxNameBytes) {
      return bad_index(fmt::format("the name {} has more than {} bytes", display_name(index.name),
                                   kMaxNameBytes));
    }
    if (!take_word("on") || !take_table()) {
      return bad_index(fmt::format("the index {} must be ON {{table}}", display_name(index.name)));
    }
    PGFANOUT_TRY(read_tail(index));
    read_items(index);
    return index;
  }

 private:
  const SqlPiece* next() {
    while (at_ < pieces_.size() && pieces_[at_].kind == SqlPieceKind::blank) ++at_;
    return at_ < pieces_.size() ? &pieces_[at_] : nullptr;
  }

  static bool is_word(const SqlPiece& piece, std::string_view word) {
    return piece.kind == SqlPieceKind::name && lower_case(piece.text) == word;
  }

  bool take_word(std::string_view word) {
    const SqlPiece* piece = next();
    if (piece == nullptr || !is_word(*piece, word)) return false;
    ++at_;
    return true;
  }

  bool take_table() {
    for (const std::string_view part : {"{", "table", "}"}) {
      const SqlPiece* piece = next();
      if (piece == nullptr || piece->text != part) return false;
      ++at_;
    }
    return true;
  }

  /// Up to the end of the statement: the list, what follows it, and the condition apart.
  Result<void> read_tail(IndexDefinition& index) {
    int depth = 0;
    std::string* to = &index.tail;
    for (; at_ < pieces_.size(); ++at_) {
      const SqlPiece& piece = pieces_[at_];
      if (piece.is("(")) ++depth;
      if (piece.is(")")) --depth;
      if (piece.is(";")) {
        ++at_;
        if (next() != nullptr) return bad_index("the definition has more than one statement");
        break;
      }
      if (depth == 0 && is_word(piece, "where")) to = &index.where;
      if (to->empty() && piece.kind != SqlPieceKind::blank) *to = " ";
      if (!to->empty() || piece.kind != SqlPieceKind::blank) *to += piece.text;
    }
    for (std::string* part : {&index.tail, &index.where}) {
      part->erase(part->find_last_not_of(" \t\r\n") + 1);
    }
    if (index.tail.find('(') == std::string::npos || depth != 0) {
      return bad_index(fmt::format("the index {} needs a list of columns in parentheses",
                                   display_name(index.name)));
    }
    return {};
  }

  /// The items of the first list: a name that neither a parenthesis nor a point follows is a
  /// column.
  static void read_items(IndexDefinition& index) {
    const std::vector<SqlPiece> words = sql_words(index.tail);
    auto word = std::ranges::find_if(words, [](const SqlPiece& piece) { return piece.is("("); });
    for (int depth = 0; word != words.end(); ++word) {
      if (word->is(")") && --depth == 0) return;
      if (word->is("(")) ++depth;
      if (depth != 1 || !(word->is("(") || word->is(","))) continue;
      const auto item = std::next(word);
      if (item == words.end()) return;
      const auto after = std::next(item);
      const bool is_column =
          item->is_name() && after != words.end() && !after->is("(") && !after->is(".");
      if (is_column) index.columns.push_back(item->name);
      index.has_expressions = index.has_expressions || !is_column;
    }
  }

  const std::vector<SqlPiece> pieces_;
  std::size_t at_ = 0;
};

}  // namespace

std::string IndexDefinition::on(std::string_view table, std::string_view quoted_name) const {
  return fmt::format("CREATE {}INDEX {} ON {}{}{}", is_unique ? "UNIQUE " : "", quoted_name, table,
                     tail, where);
}

Result<IndexDefinition> parse_index_definition(std::string_view sql) {
  return DefinitionReader(sql).read();
}

}  // namespace pgfanout

// SQL text of the server and of people: cut into pieces, and rewritten for another table, with
// other column names, one more column in a list, parentheses or quotes around it. Literals and
// comments stay as they are.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

enum class SqlPieceKind : unsigned char { name, quoted_name, literal, blank, symbol };

/// A part of SQL text; all pieces of a text joined are that text. An unterminated literal or
/// comment ends with the text.
struct SqlPiece {
  SqlPieceKind kind = SqlPieceKind::symbol;
  std::string text;  ///< As written; one byte for a symbol.
  std::string name;  ///< Of a name: without quotes, as in the catalog. Case is not folded.

  [[nodiscard]] bool is_name() const {
    return kind == SqlPieceKind::name || kind == SqlPieceKind::quoted_name;
  }
  [[nodiscard]] bool is(std::string_view symbol) const {
    return kind == SqlPieceKind::symbol && text == symbol;
  }
};

[[nodiscard]] std::vector<SqlPiece> sql_pieces(std::string_view sql);
/// Without blanks and comments, and names that are not quoted in lower case.
[[nodiscard]] std::vector<SqlPiece> sql_words(std::string_view sql);

/// Replaces the table in names and definitions, so that two tables' parts can be compared.
inline constexpr std::string_view kOwnTable = "<table>";

/// `sql` as the server prints it under an empty search_path, with kOwnTable for each mention of the
/// table. Functions and types that share the table's name stay.
[[nodiscard]] std::string without_own_name(std::string_view sql, std::string_view schema,
                                           std::string_view name);

/// `replacement` for each mention of schema.name, as without_own_name() finds them, and for each
/// kOwnTable.
[[nodiscard]] std::string with_relation(std::string_view sql, std::string_view schema,
                                        std::string_view name, std::string_view replacement);

/// Columns under their other names, in text in which kOwnTable stands for their table. A name that
/// follows a point is a column only behind the table, `new` or `old`; functions and types are none.
[[nodiscard]] std::string with_columns(std::string_view sql,
                                       const std::map<std::string, std::string>& renames);

/// Behind the parenthesis that closes the first one; npos: there is none.
[[nodiscard]] std::size_t end_of_list(std::string_view sql);

/// One more item at the end of the first parenthesized list.
[[nodiscard]] std::string with_item(std::string_view sql, std::string_view item);

/// The first parenthesized list without an item of exactly that text; unchanged if there is none,
/// or no other.
[[nodiscard]] std::string without_item(std::string_view sql, std::string_view item);

/// `sql` as an operand of any operator, whatever comments end it.
[[nodiscard]] std::string parenthesized(std::string_view sql);

/// DO with this body of PL/pgSQL, whatever it holds.
[[nodiscard]] std::string do_block(std::string_view body);
/// `body` in dollar quotes that it does not contain.
[[nodiscard]] std::string dollar_quoted(std::string_view body);

/// Every `placeholder` of a text, literals included.
[[nodiscard]] std::string with_placeholder(std::string_view text, std::string_view placeholder,
                                           std::string_view replacement);

}  // namespace pgfanout

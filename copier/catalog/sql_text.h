// SQL text of the server and of people, rewritten: another table, other column names, one more
// column in a list, parentheses or quotes around it. Literals and comments stay as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

enum class SqlPieceKind : unsigned char { name, quoted_name, literal, blank, symbol };

/// A part of SQL text; all pieces of a text joined are that text.
struct SqlPiece {
  SqlPieceKind kind = SqlPieceKind::symbol;
  std::string text;  ///< As written.
  std::string name;  ///< Of a name: without quotes, as in the catalog. Case is not folded.
};

[[nodiscard]] std::vector<SqlPiece> sql_pieces(std::string_view sql);

/// `replacement` for each mention of schema.name, as without_own_name() finds them.
[[nodiscard]] std::string with_relation(std::string_view sql, std::string_view schema,
                                        std::string_view name, std::string_view replacement);

/// Columns under their other names, in text in which kOwnTable stands for their table. A name that
/// follows a point is one of them only behind the table, `new` or `old`; functions and types are
/// none.
[[nodiscard]] std::string with_columns(std::string_view sql,
                                       const std::map<std::string, std::string>& renames);

/// Behind the parenthesis that closes the first one at or after `from`; npos: there is none.
[[nodiscard]] std::size_t end_of_list(std::string_view sql, std::size_t from = 0);

/// One more item at the end of the first parenthesized list.
[[nodiscard]] std::string with_item(std::string_view sql, std::string_view item);

/// `sql` as an operand of any operator, whatever comments end it.
[[nodiscard]] std::string parenthesized(std::string_view sql);

/// DO with this body of PL/pgSQL, whatever it holds.
[[nodiscard]] std::string do_block(std::string_view body);
/// `body` in dollar quotes that it does not contain.
[[nodiscard]] std::string dollar_quoted(std::string_view body);

/// Every `{table}` of a person's text.
[[nodiscard]] std::string with_placeholder(std::string_view text, std::string_view placeholder,
                                           std::string_view replacement);

}  // namespace pgfanout

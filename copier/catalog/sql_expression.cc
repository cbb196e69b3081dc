#include "copier/catalog/sql_expression.h"

#include <array>

#include "copier/base/lists.h"
#include "copier/catalog/sql_text.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

class NextvalReader {
 public:
  explicit NextvalReader(std::string_view sql) : words_(sql_words(sql)) {}

  std::optional<std::string> read() {
    std::size_t open = 0;
    while (takes("(")) ++open;
    if (takes_name("pg_catalog") && !takes(".")) return std::nullopt;
    if (!takes_name("nextval") || !takes("(")) return std::nullopt;
    if (at_ >= words_.size() || words_[at_].kind != SqlPieceKind::literal) return std::nullopt;
    std::string literal = words_[at_++].text;
    if (literal.find('\'') == std::string::npos && !literal.starts_with('$')) return std::nullopt;
    if (!skip_casts() || !takes(")") || !skip_casts()) return std::nullopt;
    for (; open > 0; --open) {
      if (!takes(")") || !skip_casts()) return std::nullopt;
    }
    if (at_ != words_.size()) return std::nullopt;
    return literal;
  }

 private:
  bool takes(std::string_view symbol) {
    if (at_ >= words_.size() || !words_[at_].is(symbol)) return false;
    ++at_;
    return true;
  }

  bool takes_name(std::string_view name) {
    if (at_ >= words_.size() || words_[at_].kind != SqlPieceKind::name) return false;
    if (words_[at_].name != name) return false;
    ++at_;
    return true;
  }

  /// "::schema.type" any number of times; types with parameters are not understood.
  bool skip_casts() {
    while (takes(":")) {
      if (!takes(":")) return false;
      do {
        if (at_ >= words_.size() || !words_[at_++].is_name()) return false;
      } while (takes("."));
    }
    return true;
  }

  std::vector<SqlPiece> words_;
  std::size_t at_ = 0;
};

constexpr std::array<std::string_view, 11> kSessionWords = {
    "current_date",    "current_time", "current_timestamp", "localtime",
    "localtimestamp",  "current_user", "session_user",      "current_role",
    "current_catalog", "user",         "current_schema"};

constexpr std::array<std::string_view, 8> kSessionFunctions = {
    "now",          "transaction_timestamp", "statement_timestamp",      "current_setting",
    "current_user", "current_database",      "txid_current_if_assigned", "age"};

}  // namespace

std::optional<std::string> nextval_literal(std::string_view sql) {
  return NextvalReader(sql).read();
}

std::vector<CalledFunction> called_functions(std::string_view sql) {
  const std::vector<SqlPiece> words = sql_words(sql);
  std::vector<CalledFunction> calls;
  for (std::size_t at = 0; at + 1 < words.size(); ++at) {
    if (!words[at].is_name() || !words[at + 1].is("(")) continue;
    CalledFunction call{{}, words[at].name};
    if (at >= 2 && words[at - 1].is(".") && words[at - 2].is_name()) {
      call.schema = words[at - 2].name;
    }
    if (!contains(calls, call)) calls.push_back(call);
  }
  return calls;
}

bool depends_on_session(std::string_view sql) {
  const std::vector<SqlPiece> words = sql_words(sql);
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (words[at].kind != SqlPieceKind::name) continue;
    const bool is_call = at + 1 < words.size() && words[at + 1].is("(");
    const bool is_member = at > 0 && words[at - 1].is(".");
    if (!is_member && contains(kSessionWords, words[at].name)) return true;
    if (is_call && contains(kSessionFunctions, words[at].name)) return true;
  }
  return false;
}

Result<bool> is_volatile(Connection& connection, std::string_view sql, const std::string& path) {
  if (depends_on_session(sql)) return true;
  PGFANOUT_TRY_ASSIGN(const Rows schemas, with_search_path(connection, path, [&] {
                        return connection.query("SELECT pg_catalog.current_schemas(true)");
                      }));
  for (const CalledFunction& call : called_functions(sql)) {
    PGFANOUT_TRY_ASSIGN(
        const Rows found,
        connection.query("SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
                         " WHERE p.proname = $1 AND n.nspname = ANY (CASE WHEN $2 = ''"
                         "  THEN $3::name[] ELSE ARRAY[$2::name] END)"
                         " AND p.provolatile = 'v' LIMIT 1",
                         {call.name, call.schema, schemas.str(0, 0)}));
    if (found.size() > 0) return true;
  }
  return false;
}

}  // namespace pgfanout

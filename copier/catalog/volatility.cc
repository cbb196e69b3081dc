#include "copier/catalog/volatility.h"

#include <algorithm>
#include <array>

#include "copier/catalog/sql_words.h"

namespace pgfanout {
namespace {

bool is_name(const SqlWord& word) {
  return word.kind == SqlWordKind::name || word.kind == SqlWordKind::quoted_name;
}

bool is_symbol(const SqlWord& word, std::string_view symbol) {
  return word.kind == SqlWordKind::symbol && word.text == symbol;
}

constexpr std::array<std::string_view, 11> kSessionWords = {
    "current_date",    "current_time", "current_timestamp", "localtime",
    "localtimestamp",  "current_user", "session_user",      "current_role",
    "current_catalog", "user",         "current_schema"};

constexpr std::array<std::string_view, 8> kSessionFunctions = {
    "now",          "transaction_timestamp", "statement_timestamp",      "current_setting",
    "current_user", "current_database",      "txid_current_if_assigned", "age"};

bool holds(const auto& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

std::vector<CalledFunction> called_functions(std::string_view sql) {
  const std::vector<SqlWord> words = sql_words(sql);
  std::vector<CalledFunction> calls;
  for (std::size_t at = 0; at + 1 < words.size(); ++at) {
    if (!is_name(words[at]) || !is_symbol(words[at + 1], "(")) continue;
    CalledFunction call{{}, words[at].text};
    if (at >= 2 && is_symbol(words[at - 1], ".") && is_name(words[at - 2])) {
      call.schema = words[at - 2].text;
    }
    if (std::find(calls.begin(), calls.end(), call) == calls.end()) calls.push_back(call);
  }
  return calls;
}

bool depends_on_session(std::string_view sql) {
  const std::vector<SqlWord> words = sql_words(sql);
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (words[at].kind != SqlWordKind::name) continue;
    const bool is_call = at + 1 < words.size() && is_symbol(words[at + 1], "(");
    const bool is_member = at > 0 && is_symbol(words[at - 1], ".");
    if (!is_member && holds(kSessionWords, words[at].text)) return true;
    if (is_call && holds(kSessionFunctions, words[at].text)) return true;
  }
  return false;
}

Result<bool> is_volatile(Connection& connection, std::string_view sql) {
  if (depends_on_session(sql)) return true;
  for (const CalledFunction& call : called_functions(sql)) {
    PGFANOUT_TRY_ASSIGN(
        const Rows found,
        connection.query("SELECT 1 FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
                         " WHERE p.proname = $1 AND n.nspname = $2 AND p.provolatile = 'v' LIMIT 1",
                         {call.name, call.schema.empty() ? "pg_catalog" : call.schema}));
    if (found.size() > 0) return true;
  }
  return false;
}

}  // namespace pgfanout

// Lists of words, sorted, from the server's pg_get_keywords() (catcode R and T) of versions 14 to
// 18. A word that only one version reserves is listed: quoting a name is always possible.
#include "hashing/key_words.h"

#include <algorithm>
#include <array>

namespace pgfanout::keyexpr {
namespace {

constexpr std::array reserved_words = std::to_array<std::string_view>({"all",
                                                                       "analyse",
                                                                       "analyze",
                                                                       "and",
                                                                       "any",
                                                                       "array",
                                                                       "as",
                                                                       "asc",
                                                                       "asymmetric",
                                                                       "authorization",
                                                                       "binary",
                                                                       "both",
                                                                       "case",
                                                                       "cast",
                                                                       "check",
                                                                       "collate",
                                                                       "collation",
                                                                       "column",
                                                                       "concurrently",
                                                                       "constraint",
                                                                       "create",
                                                                       "cross",
                                                                       "current_catalog",
                                                                       "current_date",
                                                                       "current_role",
                                                                       "current_schema",
                                                                       "current_time",
                                                                       "current_timestamp",
                                                                       "current_user",
                                                                       "default",
                                                                       "deferrable",
                                                                       "desc",
                                                                       "distinct",
                                                                       "do",
                                                                       "else",
                                                                       "end",
                                                                       "except",
                                                                       "false",
                                                                       "fetch",
                                                                       "for",
                                                                       "foreign",
                                                                       "freeze",
                                                                       "from",
                                                                       "full",
                                                                       "grant",
                                                                       "group",
                                                                       "having",
                                                                       "ilike",
                                                                       "in",
                                                                       "initially",
                                                                       "inner",
                                                                       "intersect",
                                                                       "into",
                                                                       "is",
                                                                       "isnull",
                                                                       "join",
                                                                       "lateral",
                                                                       "leading",
                                                                       "left",
                                                                       "like",
                                                                       "limit",
                                                                       "localtime",
                                                                       "localtimestamp",
                                                                       "natural",
                                                                       "not",
                                                                       "notnull",
                                                                       "null",
                                                                       "offset",
                                                                       "on",
                                                                       "only",
                                                                       "or",
                                                                       "order",
                                                                       "outer",
                                                                       "overlaps",
                                                                       "placing",
                                                                       "primary",
                                                                       "references",
                                                                       "returning",
                                                                       "right",
                                                                       "select",
                                                                       "session_user",
                                                                       "similar",
                                                                       "some",
                                                                       "symmetric",
                                                                       "system_user",
                                                                       "table",
                                                                       "tablesample",
                                                                       "then",
                                                                       "to",
                                                                       "trailing",
                                                                       "true",
                                                                       "union",
                                                                       "unique",
                                                                       "user",
                                                                       "using",
                                                                       "variadic",
                                                                       "verbose",
                                                                       "when",
                                                                       "where",
                                                                       "window",
                                                                       "with"});

constexpr std::array operator_words =
    std::to_array<std::string_view>({"and", "case", "collate", "ilike", "in", "is", "isnull",
                                     "like", "not", "notnull", "or", "overlaps", "similar"});

static_assert(std::is_sorted(reserved_words.begin(), reserved_words.end()));
static_assert(std::is_sorted(operator_words.begin(), operator_words.end()));

}  // namespace

bool is_reserved_word(std::string_view word) {
  return std::binary_search(reserved_words.begin(), reserved_words.end(), word);
}

bool is_operator_word(std::string_view word) {
  return std::binary_search(operator_words.begin(), operator_words.end(), word);
}

}  // namespace pgfanout::keyexpr

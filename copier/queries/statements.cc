#include "copier/queries/statements.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "copier/base/lists.h"
#include "copier/catalog/catalog_query.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

/// Those that follow a table in FROM, and are no alias of it.
bool is_no_alias(std::string_view word) {
  constexpr std::string_view kWords[] = {
      "where",  "order",     "group",  "having",     "limit", "offset", "fetch",      "for",
      "union",  "intersect", "except", "join",       "inner", "left",   "right",      "full",
      "cross",  "natural",   "on",     "using",      "set",   "values", "default",    "select",
      "window", "returning", "with",   "overriding", "when",  "then",   "tablesample"};
  return contains(kWords, word);
}

/// Words of pgfanout's and other tools' own statements.
bool is_of_tool(std::string_view word) {
  return word == "ctid" || word == "tableoid" || word == "tablesample" || word == "pg_catalog" ||
         word.starts_with("pgfanout");
}

/// Finds relations in the words of a statement: what follows FROM, JOIN, INTO, UPDATE, USING, and a
/// comma in a list of FROM.
class PatternMaker {
 public:
  PatternMaker(std::string_view sql, const TableMention& table)
      : pieces_(sql_pieces(sql)), table_(table) {}

  std::optional<std::string> make() {
    for (std::size_t at = 0; at < pieces_.size(); ++at) {
      if (pieces_[at].kind != SqlPieceKind::blank) words_.push_back(at);
    }
    constexpr std::string_view kStatements[] = {"select", "with",   "insert", "update",
                                                "delete", "values", "table",  "merge"};
    std::size_t first = 0;
    while (first < words_.size() && word(first).is("(")) ++first;
    if (!contains(kStatements, plain(first))) return std::nullopt;
    for (at_ = 0; at_ < words_.size();) {
      if (is_of_tool(plain(at_))) return std::nullopt;
      if (is_part_of_that_name()) return std::nullopt;
      step();
    }
    if (!names_table_) return std::nullopt;
    return joined(pieces_, "", &SqlPiece::text);
  }

 private:
  struct Level {
    bool is_in_from = false;
    bool expects_relation = false;
  };

  [[nodiscard]] const SqlPiece& word(std::size_t at) const {
    static const SqlPiece none;
    return at < words_.size() ? pieces_[words_[at]] : none;
  }
  /// An unquoted word in lower case; empty: it is something else.
  [[nodiscard]] std::string plain(std::size_t at) const {
    const SqlPiece& piece = word(at);
    return piece.kind == SqlPieceKind::name ? lower_case(piece.name) : std::string();
  }
  [[nodiscard]] bool is_named(std::size_t at, const std::string& name) const {
    const SqlPiece& piece = word(at);
    if (piece.kind == SqlPieceKind::quoted_name) return piece.name == name;
    return piece.kind == SqlPieceKind::name && lower_case(piece.name) == name;
  }

  /// WITH name [(columns)] AS [MATERIALIZED] (
  [[nodiscard]] bool is_part_of_that_name() const {
    if (!is_named(at_, table_.name) || at_ == 0) return false;
    const std::string before = plain(at_ - 1);
    if (before != "with" && before != "recursive" && !word(at_ - 1).is(",")) return false;
    std::size_t next = at_ + 1;
    if (word(next).is("(")) {
      while (next < words_.size() && !word(next).is(")")) ++next;
      ++next;
    }
    if (plain(next) != "as") return false;
    ++next;
    while (plain(next) == "not" || plain(next) == "materialized") ++next;
    return word(next).is("(");
  }

  void step() {
    Level& level = levels_.back();
    const std::string here = plain(at_);
    if (word(at_).is("(")) {
      const bool is_list = level.expects_relation;
      level.expects_relation = false;
      levels_.push_back({is_list, is_list});
    } else if (word(at_).is(")")) {
      if (levels_.size() > 1) levels_.pop_back();
    } else if (word(at_).is(",")) {
      level.expects_relation = level.is_in_from;
    } else if (here == "from" && (at_ == 0 || plain(at_ - 1) != "distinct")) {
      level = {true, true};
    } else if (here == "join" || here == "into" || (here == "using" && !word(at_ + 1).is("(")) ||
               (here == "update" && may_update())) {
      level.expects_relation = true;
    } else if (here == "only" || here == "lateral") {
      // The relation follows.
    } else if (level.expects_relation && word(at_).is_name()) {
      level.expects_relation = false;
      return take_relation();
    } else {
      level.expects_relation = false;
      constexpr std::string_view kEnds[] = {"where", "select", "group", "order",     "having",
                                            "set",   "union",  "limit", "returning", "values"};
      if (contains(kEnds, here)) level.is_in_from = false;
      if (names_schema_and_table()) return drop_schema();
    }
    ++at_;
  }

  /// Neither FOR UPDATE nor ON CONFLICT DO UPDATE.
  [[nodiscard]] bool may_update() const {
    const std::string before = at_ == 0 ? "" : plain(at_ - 1);
    return before != "for" && before != "key" && before != "do" && before != "then";
  }

  [[nodiscard]] bool names_schema_and_table() const {
    return is_named(at_, table_.schema) && word(at_ + 1).is(".") &&
           is_named(at_ + 2, table_.name) && (at_ == 0 || !word(at_ - 1).is("."));
  }

  /// "schema.table.column": the table has an alias now.
  void drop_schema() {
    for (std::size_t at = words_[at_]; at < words_[at_ + 2]; ++at) pieces_[at].text.clear();
    at_ += 3;
  }

  void take_relation() {
    const bool is_qualified = word(at_ + 1).is(".");
    const std::size_t end = is_qualified ? at_ + 3 : at_ + 1;
    const bool is_table =
        is_qualified ? names_schema_and_table() : table_.is_on_path && is_named(at_, table_.name);
    // A function, or a column of EXTRACT(... FROM t.column).
    const bool is_relation = is_table && !word(end).is(".") && (!word(end).is("(") || is_insert());
    if (!is_relation) {
      at_ = is_qualified ? std::min(end, words_.size()) : at_ + 1;
      return;
    }
    names_table_ = true;
    for (std::size_t at = words_[at_]; at < words_[end - 1]; ++at) pieces_[at].text.clear();
    const std::size_t next = word(end).is("*") ? end + 1 : end;
    const bool has_alias =
        plain(next) == "as" || (word(next).is_name() && !is_no_alias(plain(next)));
    pieces_[words_[end - 1]].text = "{table}";
    if (!has_alias) pieces_[words_[next - 1]].text += " AS " + quoted_name(table_.name);
    at_ = end;
  }

  /// INSERT INTO t (columns).
  [[nodiscard]] bool is_insert() const { return at_ > 0 && plain(at_ - 1) == "into"; }

  std::vector<SqlPiece> pieces_;
  const TableMention& table_;
  std::vector<std::size_t> words_;  // Places in pieces_.
  std::vector<Level> levels_{1};
  std::size_t at_ = 0;
  bool names_table_ = false;
};

/// The number of a parameter that `text` is, cast or not; 0: it is none.
std::size_t parameter_in(std::string_view text) {
  const std::vector<SqlPiece> pieces = sql_words(text);
  std::size_t at = 0;
  while (at < pieces.size() && pieces[at].is("(")) ++at;
  if (at + 1 >= pieces.size() || !pieces[at].is("$")) return 0;
  const auto numbers = numbers_in<std::size_t>(pieces[at + 1].text);
  // Nothing but a cast may follow.
  at += 2;
  while (at < pieces.size() && pieces[at].is(")")) ++at;
  const bool is_alone = at == pieces.size() || pieces[at].is(":");
  return numbers.size() == 1 && is_alone ? numbers[0] : 0;
}

/// Whether it is one of the elements of "ARRAY[$1, ($2)::text]".
bool is_element(std::string_view array, std::size_t number) {
  const std::vector<SqlPiece> words = sql_words(array);
  for (std::size_t at = 1; at + 2 < words.size(); ++at) {
    if (!words[at].is("$") || words[at + 1].text != std::to_string(number)) continue;
    std::size_t before = at - 1;
    while (before > 0 && words[before].is("(")) --before;
    std::size_t after = at + 2;
    while (after + 1 < words.size() && words[after].is(")")) ++after;
    const bool is_alone = words[after].is(",") || words[after].is("]") || words[after].is(":");
    return is_alone && (words[before].is("[") || words[before].is(","));
  }
  return false;
}

constexpr const char* kHowTo =
    "add pg_stat_statements to shared_preload_libraries, restart, and CREATE EXTENSION "
    "pg_stat_statements in the table's database; or write [[queries]] in the job file";

/// Each once, whoever ran it. A statement within EXPLAIN and the like has the text of the whole.
constexpr const char* kStatementsSql =
    "SELECT min(s.query) FILTER (WHERE s.query !~* '^\\s*(EXPLAIN|PREPARE|EXECUTE|DECLARE|COPY)'),"
    " sum(s.calls)::int8, sum(s.rows)::int8 FROM {0}.pg_stat_statements s"
    " JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()"
    " WHERE s.queryid IS NOT NULL AND strpos(lower(s.query), lower(replace($1, '\"', '\"\"'))) > 0"
    " GROUP BY s.queryid ORDER BY sum(s.total_exec_time) DESC, 1 LIMIT 2000";
constexpr const char* kHiddenSql =
    "SELECT count(*), quote_ident(current_user) FROM {0}.pg_stat_statements s"
    " JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()"
    " WHERE s.queryid IS NULL";

class StatementFinder {
 public:
  StatementFinder(const QueryTable& on, const IssueSink& report) : on_(on), report_(report) {}

  Result<std::vector<QueryCheck>> find(std::uint32_t most) {
    std::vector<QueryCheck> found;
    PGFANOUT_TRY_ASSIGN(const Rows extension,
                        on_.connection.query("SELECT quote_ident(n.nspname) FROM pg_extension e"
                                             " JOIN pg_namespace n ON n.oid = e.extnamespace"
                                             " WHERE e.extname = 'pg_stat_statements'"));
    if (extension.size() == 0) {
      warn("the database has no extension pg_stat_statements", kHowTo);
      return found;
    }
    const std::string schema = extension.str(0, 0);
    auto rows = in_savepoint(on_.connection, [&] {
      return on_.connection.query(fmt::format(kStatementsSql, schema), {on_.table.name});
    });
    if (!rows) {
      if (!is_complaint(rows.error(), on_.connection)) return std::move(rows).error();
      const bool is_denied = rows.error().sqlstate == "42501";
      warn("pg_stat_statements cannot be read: " + rows.error().message,
           is_denied ? "GRANT pg_read_all_stats to this role" : kHowTo);
      return found;
    }
    PGFANOUT_TRY(tell_hidden(schema));
    PGFANOUT_TRY_ASSIGN(const TableMention mention, mention_of_table());
    for (int row = 0; row < rows->size() && found.size() < most; ++row) {
      const auto pattern = pattern_of(with_cast_parameters(rows->text(row, 0)), mention);
      if (!pattern) continue;
      QueryCheck check;
      check.sql = *pattern;
      check.calls = static_cast<std::uint64_t>(std::max<std::int64_t>(1, rows->integer(row, 1)));
      PGFANOUT_TRY_ASSIGN(const Rows name,
                          on_.connection.query("SELECT left(md5($1::text), 8)", {*pattern}));
      check.name = "statement " + name.str(0, 0);
      const double mean = static_cast<double>(rows->integer(row, 2)) /
                          static_cast<double>(std::max<std::int64_t>(1, rows->integer(row, 1)));
      auto filled = fill_parameters(check, mean);
      if (!filled && !is_complaint(filled.error(), on_.connection)) {
        return std::move(filled).error();
      }
      if (!filled) {
        report_({Severity::warning, "query-not-run",
                 fmt::format("{} cannot be prepared as pg_stat_statements has it: {}", check.name,
                             filled.error().message),
                 on_.table.qualified,
                 fmt::format("write it as [[queries]] in the job file: {}", *pattern)});
        continue;
      }
      found.push_back(std::move(check));
    }
    if (found.empty()) {
      warn("pg_stat_statements knows no statement that names the table",
           "let the application run for a while, or write [[queries]] in the job file");
    }
    return found;
  }

 private:
  void warn(std::string message, const char* hint) {
    report_({Severity::warning, "statements", std::move(message), on_.table.qualified, hint});
  }

  Result<void> tell_hidden(const std::string& schema) {
    PGFANOUT_TRY_ASSIGN(const Rows hidden, on_.connection.query(fmt::format(kHiddenSql, schema)));
    if (hidden.integer(0, 0) == 0) return {};
    report_({Severity::warning, "statements",
             fmt::format("{} statements of other roles are hidden from role {}", hidden.str(0, 0),
                         hidden.str(0, 1)),
             on_.table.qualified, fmt::format("GRANT pg_read_all_stats TO {}", hidden.str(0, 1))});
    return {};
  }

  Result<TableMention> mention_of_table() {
    PGFANOUT_TRY_ASSIGN(const Rows found, as_application(on_, [&] {
                          return on_.connection.query(
                              "SELECT COALESCE(pg_catalog.to_regclass($1)::pg_catalog.oid"
                              " OPERATOR(pg_catalog.=) $2::pg_catalog.oid, false)",
                              {quoted_name(on_.table.name), std::to_string(on_.table.oid)});
                        }));
    return TableMention{on_.table.schema, on_.table.name, found.boolean(0, 0)};
  }

  /// Finds values for all parameters, or leaves `params` empty.
  Result<void> fill_parameters(QueryCheck& check, double mean_rows) {
    PGFANOUT_TRY_ASSIGN(const BoundQuery bound, bind_query(on_, check, false));
    if (bound.missing.empty()) return {};
    std::vector<std::optional<std::string>> values(bound.missing.size());
    const LimitParameters limits = limit_parameters_of(check.sql);
    const auto set = [&](std::optional<std::size_t> number, const std::string& value) {
      if (number && *number <= values.size()) values[*number - 1] = value;
    };
    set(limits.limit, fmt::format("{:.0f}", std::max(1.0, std::ceil(mean_rows))));
    set(limits.offset, "0");
    std::map<std::string, std::vector<std::pair<std::size_t, ParameterColumn>>> by_relation;
    for (std::size_t at = 0; at < values.size(); ++at) {
      if (values[at]) continue;
      auto column = column_of_parameter(bound.plan, at + 1);
      if (!column) return {};
      std::string relation = column->relation;
      for (const Leaf& leaf : on_.table.leaves) {
        if (relation == leaf.schema + "." + leaf.name) relation.clear();
      }
      by_relation[relation].emplace_back(at, *std::move(column));
    }
    for (const auto& [relation, columns] : by_relation) {
      auto sampled = sample(relation, columns, bound.missing, values);
      if (!sampled && !is_complaint(sampled.error(), on_.connection)) {
        return std::move(sampled).error();
      }
    }
    if (std::ranges::any_of(values, [](const auto& each) { return !each; })) {
      return {};
    }
    for (auto& value : values) check.params.push_back(*std::move(value));
    return {};
  }

  /// From one row, so that conditions which are joined by AND find it; bounds from the sample's
  /// ends.
  Result<void> sample(const std::string& relation,
                      const std::vector<std::pair<std::size_t, ParameterColumn>>& columns,
                      const std::vector<std::string>& types,
                      std::vector<std::optional<std::string>>& values) {
    std::set<std::string> names;
    std::vector<std::string> results;
    std::vector<std::string> conditions;
    for (const auto& [at, column] : columns) {
      const std::string name = quoted_name(column.column);
      names.insert(name);
      conditions.push_back(fmt::format("s.{} IS NOT NULL", name));
      const bool is_range =
          column.op == "<" || column.op == "<=" || column.op == ">" || column.op == ">=";
      std::string value = is_range
                              ? fmt::format(
                                    "(SELECT e.{0} FROM pgfanout_sample e WHERE e.{0} IS NOT NULL"
                                    " ORDER BY e.{0} {1} LIMIT 1)",
                                    name, column.op[0] == '<' ? "DESC" : "ASC")
                              : "s." + name;
      if (column.is_array) value = fmt::format("ARRAY[{}]", value);
      results.push_back(fmt::format("({})::{}::pg_catalog.text", value, types[at]));
    }
    std::string from = on_.table.qualified;
    if (!relation.empty()) {
      const std::size_t point = relation.find('.');
      from = quoted_name(relation.substr(0, point)) + "." + quoted_name(relation.substr(point + 1));
    }
    PGFANOUT_TRY_ASSIGN(
        const Rows row, as_application(on_, [&] {
          return on_.connection.query(fmt::format(
              "WITH pgfanout_sample AS MATERIALIZED (SELECT {} FROM {} LIMIT 1000) SELECT {}"
              " FROM pgfanout_sample s WHERE {} LIMIT 1",
              fmt::join(names, ", "), from, fmt::join(results, ", "),
              fmt::join(conditions, " AND ")));
        }));
    if (row.size() == 0) return {};
    for (std::size_t at = 0; at < columns.size(); ++at) {
      values[columns[at].first] = row.str(0, static_cast<int>(at));
    }
    return {};
  }

  const QueryTable& on_;
  const IssueSink& report_;
};

}  // namespace

std::optional<std::string> pattern_of(std::string_view sql, const TableMention& table) {
  for (const std::string_view mark : {std::string_view("{table}"), kOwnQuery}) {
    if (sql.find(mark) != std::string_view::npos) return std::nullopt;
  }
  return PatternMaker(sql, table).make();
}

std::string with_cast_parameters(std::string_view sql) {
  constexpr std::string_view kTypes[] = {"interval",    "date", "timestamp",
                                         "timestamptz", "time", "timetz"};
  std::vector<SqlPiece> pieces = sql_pieces(sql);
  std::string text;
  for (std::size_t at = 0; at < pieces.size(); ++at) {
    const bool is_type =
        pieces[at].kind == SqlPieceKind::name && contains(kTypes, lower_case(pieces[at].name));
    const bool has_parameter = is_type && at + 3 < pieces.size() &&
                               pieces[at + 1].kind == SqlPieceKind::blank && pieces[at + 2].is("$");
    if (!has_parameter) {
      text += pieces[at].text;
      continue;
    }
    text += fmt::format("CAST(${} AS {})", pieces[at + 3].text, pieces[at].text);
    at += 3;
  }
  return text;
}

LimitParameters limit_parameters_of(std::string_view sql) {
  const std::vector<SqlPiece> words = sql_words(sql);
  LimitParameters found;
  for (std::size_t at = 0; at + 2 < words.size(); ++at) {
    if (words[at].kind != SqlPieceKind::name || !words[at + 1].is("$")) continue;
    const auto numbers = numbers_in<std::size_t>(words[at + 2].text);
    if (numbers.size() != 1 || numbers[0] == 0) continue;
    if (words[at].name == "limit" || words[at].name == "first") found.limit = numbers[0];
    if (words[at].name == "offset") found.offset = numbers[0];
  }
  return found;
}

std::optional<ParameterColumn> column_of_parameter(const QueryPlan& plan, std::size_t number) {
  for (const PlanScan& scan : plan.scans) {
    for (const PlanCondition& condition : scan.conditions) {
      if (condition.column.empty()) continue;
      const ParameterColumn found{scan.relation, condition.column, condition.op, false};
      const std::string_view value = condition.value;
      if (parameter_in(value) == number) return found;
      constexpr std::string_view kAny = "ANY ";
      if (!value.starts_with(kAny)) continue;
      if (parameter_in(value.substr(kAny.size())) == number) {
        return ParameterColumn{found.relation, found.column, found.op, true};
      }
      // IN ($1, $2): "ANY ((ARRAY[$1, $2])::text[])".
      const bool is_list = value.starts_with("ANY (ARRAY[") || value.starts_with("ANY ((ARRAY[");
      if (is_list && is_element(value, number)) return found;
    }
  }
  return std::nullopt;
}

Result<std::vector<QueryCheck>> queries_of(const WindowRequest& request, const QueryTable& on,
                                           const IssueSink& report) {
  std::vector<QueryCheck> queries = request.queries;
  if (request.statements == 0) return queries;
  const auto find = [&]() -> Result<void> {
    PGFANOUT_TRY_ASSIGN(auto found, StatementFinder(on, report).find(request.statements));
    append(queries, found);
    return {};
  };
  PGFANOUT_TRY(
      on.connection.is_in_transaction()
          ? find()
          : in_transaction(on.connection, {"BEGIN READ ONLY", TransactionEnd::roll_back}, find));
  return queries;
}

}  // namespace pgfanout

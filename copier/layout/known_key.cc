#include "copier/layout/known_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "copier/base/byte_order.h"
#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"
#include "copier/key/key_plan.h"
#include "copier/key/key_proof.h"
#include "copier/key/page_sample.h"
#include "copier/layout/list_by_key.h"
#include "copier/pg/transaction.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t kProofPages = 50;
constexpr std::uint64_t kProofRows = 1000;

struct KeySource {
  std::string sql;
  std::string origin;
  bool is_enforced = true;  ///< By the server, for every row.
  bool is_function = false;
  bool is_check = false;
};

std::string_view unwrapped(std::string_view sql) {
  while (sql.starts_with('(') && end_of_list(sql) == sql.size())
    sql = sql.substr(1, sql.size() - 2);
  return sql;
}

/// The other side of `column <operation> ...` or of `... <operation> column`; empty: it is neither.
std::string_view other_side(std::string_view sql, const std::string& column,
                            const std::string& operation) {
  sql = unwrapped(sql);
  const std::string before = column + operation;
  const std::string behind = operation + column;
  if (sql.starts_with(before)) return sql.substr(before.size());
  if (sql.ends_with(behind)) return sql.substr(0, sql.size() - behind.size());
  return {};
}

class KeySearch {
 public:
  KeySearch(Connection& connection, const Table& table, std::string_view key_column)
      : connection_(connection), table_(table), columns_(key_columns_of(table)) {
    const bool is_list = table.strategy == 'l' && table.partition_columns.size() == 1;
    is_by_expression_ = is_list && table.partition_columns.front().empty();
    const std::string_view name =
        is_list && !is_by_expression_ ? table.partition_columns.front() : key_column;
    column_ = table.find(name);
    if (column_ != nullptr && !is_key_integer(key_type_of_oid(column_->type_oid))) {
      column_ = nullptr;
    }
    is_by_column_ = is_list && !is_by_expression_ && column_ != nullptr;
  }

  Result<TableKey> find() {
    if (is_by_expression_) {
      add({std::string(unwrapped(std::string_view(table_.partition_key).substr(5))),
           fmt::format("partition expression of {}", table_.qualified)});
      find_generated_column();
    } else if (column_ != nullptr && column_->generated != 0) {
      add({column_->default_sql,
           fmt::format("generated column {} of {}", column_->quoted, table_.qualified)});
    } else if (column_ != nullptr) {
      PGFANOUT_TRY(read_checks());
    }
    PGFANOUT_TRY(read_journal());
    if (is_by_column_) PGFANOUT_TRY(read_function());
    PGFANOUT_TRY(choose());
    return std::move(found_);
  }

 private:
  struct Candidate {
    KeySource source;
    KeyExpression expression;
  };

  /// An expression that this tool cannot compute is no knowledge.
  void add(KeySource source) {
    auto expression = KeyExpression::compile(source.sql, columns_);
    if (!expression) return;
    candidates_.push_back({std::move(source), *std::move(expression)});
  }

  /// The column that stores the partition expression.
  void find_generated_column() {
    column_ = nullptr;
    if (candidates_.empty()) return;
    for (const Column& column : table_.columns) {
      if (column.generated == 0) continue;
      const auto stored = KeyExpression::compile(column.default_sql, columns_);
      if (stored && stored->computes_same_as(candidates_.front().expression)) column_ = &column;
    }
  }

  Result<void> read_checks() {
    PGFANOUT_TRY_ASSIGN(
        const Rows checks,
        connection_.query("SELECT quote_ident(conname), pg_get_expr(conbin, conrelid),"
                          " convalidated FROM pg_constraint WHERE conrelid = $1 AND contype = 'c'"
                          " ORDER BY conname",
                          {std::to_string(table_.oid)}));
    for (int row = 0; row < checks.size(); ++row) {
      const std::string_view sql = bound_expression(checks.text(row, 1), column_->quoted);
      if (sql.empty()) continue;
      add({std::string(sql), fmt::format("CHECK {} of {}", checks.text(row, 0), table_.qualified),
           checks.boolean(row, 2), false, true});
    }
    // All that are enforced are true of every row: one is enough, and one with a modulus is best.
    std::ranges::stable_sort(candidates_, {}, [](const Candidate& each) {
      return std::pair(!each.source.is_enforced, !each.expression.modulus());
    });
    const auto enforced = [](const Candidate& each) { return each.source.is_enforced; };
    const auto surplus = std::ranges::find_if(candidates_, enforced);
    if (surplus == candidates_.end()) return {};
    candidates_.erase(std::remove_if(surplus + 1, candidates_.end(), enforced), candidates_.end());
    return {};
  }

  /// The journal belongs to the folder journal/, but everything that plans needs this one answer of
  /// it. A journal of an early version, and one that the role may not read, knows nothing.
  Result<void> read_journal() {
    PGFANOUT_TRY_ASSIGN(
        const Rows readable,
        connection_.query(
            "SELECT 1 FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid"
            " WHERE n.nspname = 'pgfanout' AND has_schema_privilege(n.oid, 'USAGE')"
            " AND has_table_privilege(c.oid, 'SELECT') AND (c.relname = 'made_relation'"
            "  OR c.relname = 'job' AND EXISTS (SELECT FROM pg_attribute a WHERE"
            "   a.attrelid = c.oid AND a.attname = 'key_sql_on_target' AND NOT a.attisdropped))"));
    if (readable.size() != 2) return {};
    // By the table's OID, or after a restore by its name.
    PGFANOUT_TRY_ASSIGN(
        const Rows jobs,
        connection_.query(
            "SELECT j.job, j.source_oid, j.key, j.key_sql_on_target, j.key_column,"
            " EXISTS (SELECT FROM pgfanout.made_relation m WHERE m.job = j.job"
            "  AND m.relation = $1::oid) AS is_made"
            " FROM pgfanout.job j WHERE j.key_sql_on_target <> '' AND j.state <> 'rolled back'"
            " AND (EXISTS (SELECT FROM pgfanout.made_relation m WHERE m.job = j.job"
            "   AND m.relation = $1::oid)"
            "  OR j.state = 'done' AND j.target_schema = $2 AND j.target_name = $3"
            "  OR j.state IN ('swapped', 'cleaning up', 'cleaned up')"
            "   AND j.source_schema = $2 AND j.source_name = $3)"
            " ORDER BY is_made DESC, j.started_at DESC LIMIT 1",
            {std::to_string(table_.oid), table_.schema, table_.name}));
    if (jobs.size() == 0) return {};
    found_.job = FillingJob{jobs.str(0, 0), jobs.oid(0, 1), jobs.str(0, 2), std::nullopt};
    if (!jobs.is_null(0, 4)) found_.job->key_column = jobs.str(0, 4);
    add({jobs.str(0, 3), fmt::format("journal of job {}", jobs.text(0, 0)), false});
    return {};
  }

  Result<void> read_function() {
    PGFANOUT_TRY_ASSIGN(
        const Rows functions,
        connection_.query(
            "SELECT p.oid::regprocedure::text,"
            " COALESCE(pg_get_function_sqlbody(p.oid), p.prosrc) FROM pg_class c"
            " JOIN pg_proc p ON p.pronamespace = c.relnamespace,"
            " LATERAL (SELECT obj_description(p.oid, 'pg_proc') AS comment,"
            "  format('.%I %s', c.relname, $2::text) AS tail) d"
            " WHERE c.oid = $1 AND right(d.comment, length(d.tail)) = d.tail"
            // Before the swap a function tells of the column that the table is going to have.
            " AND starts_with(d.comment, format('Computes %s of ', $3::text)) ORDER BY 1",
            {std::to_string(table_.oid), std::string(kKeyFunctionPurpose),
             display_name(column_->name)}));
    for (int row = 0; row < functions.size(); ++row) {
      std::string_view body = functions.text(row, 1);
      // Of versions before and after RETURN.
      if (body.starts_with("SELECT ") || body.starts_with("RETURN ")) body.remove_prefix(7);
      add({std::string(body), fmt::format("function {}", functions.text(row, 0)), false, true});
    }
    return {};
  }

  Result<void> choose() {
    PGFANOUT_TRY(drop_old_functions());
    if (candidates_.empty()) return {};
    const Candidate& first = candidates_.front();
    for (const Candidate& other : candidates_) {
      if (other.expression.computes_same_as(first.expression)) continue;
      doubt(fmt::format("the {} says that the key is {}, and the {} that it is {}: neither is used",
                        first.source.origin, first.expression.sql(), other.source.origin,
                        other.expression.sql()));
      return {};
    }
    if (!first.source.is_enforced) {
      PGFANOUT_TRY_ASSIGN(const RowsAsked asked, ask_rows(first));
      if (2 * asked.differing > asked.rows) {
        doubt(
            fmt::format("the {} says that the key is {}, but {} of {} sampled rows store another "
                        "one in column {}: it is not used",
                        first.source.origin, first.expression.sql(), asked.differing, asked.rows,
                        column_->quoted));
        return {};
      }
    }
    found_.known = KnownKey{first.expression, std::nullopt, first.source.origin, {}};
    if (column_ != nullptr) found_.known->column = column_->name;
    if (is_by_expression_ || is_by_column_) found_.known->layout = keyed_leaves(first.expression);
    return {};
  }

  [[nodiscard]] std::optional<KeyedLeaves> keyed_leaves(const KeyExpression& key) const {
    const auto count = list_by_key().key_count(table_);
    const auto layout = list_by_key().layout_of(table_.leaves, key);
    const bool is_whole = count && layout && table_.leaves.size() == *count &&
                          (*layout)->leaf_count() == *count &&
                          (*layout)->missing_leaves(*count).empty();
    if (!is_whole) return std::nullopt;
    if (is_by_expression_) {
      return KeyedLeaves{*count, column_ != nullptr ? KeyMode::generated : KeyMode::expression};
    }
    const bool is_checked =
        std::ranges::any_of(candidates_, [](const auto& each) { return each.source.is_check; });
    return KeyedLeaves{*count, is_checked ? KeyMode::check : KeyMode::none};
  }

  /// A function that computes an earlier key of the table stays where a later conversion has made
  /// one with other parameters, or none. It does not speak against other sources. Of another
  /// modulus half of the keys may be the same.
  Result<void> drop_old_functions() {
    for (auto each = candidates_.begin(); each != candidates_.end() && candidates_.size() > 1;) {
      RowsAsked asked;
      if (each->source.is_function) {
        PGFANOUT_TRY_ASSIGN(asked, ask_rows(*each));
      }
      each = 10 * asked.differing > asked.rows ? candidates_.erase(each) : std::next(each);
    }
    return {};
  }

  struct RowsAsked {
    std::size_t rows = 0;
    std::size_t differing = 0;
  };

  /// Most of the sampled rows must store the key. A few that do not are for a comparison to find.
  Result<RowsAsked> ask_rows(const Candidate& candidate) {
    RowsAsked asked;
    std::mt19937_64 random(1);
    const std::vector<SampledPage> pages = draw_pages(table_, kProofPages, random);
    if (column_ == nullptr || pages.empty()) return asked;
    const RowFunction function = row_function(table_, candidate.expression);
    std::vector<std::string> list = function.names;
    list.push_back(column_->quoted + "::int8");
    const std::string sql = sample_sql(table_, joined(list, ", "), pages, kProofRows);
    PGFANOUT_TRY_ASSIGN(auto rows, in_savepoint(connection_, [&] {
                          return read_sample(connection_, sql, function.names.size() + 1);
                        }));
    std::vector<ProbeValue> stored;
    for (ProbeRow& row : rows) {
      stored.push_back(std::move(row.back()));
      row.pop_back();
    }
    const std::vector<KeyOutcome> computed = function.compute(rows);
    asked.rows = rows.size();
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const bool is_same =
          stored[row] && computed[row].state == KeyState::ok &&
          static_cast<std::int64_t>(load_be64(
              reinterpret_cast<const std::uint8_t*>(stored[row]->data()))) == computed[row].key;
      if (!is_same) ++asked.differing;
    }
    return asked;
  }

  void doubt(std::string message) {
    found_.doubts.push_back({Severity::warning, "key-contradiction", std::move(message),
                             table_.qualified, "say which one it is: --key 'EXPRESSION'"});
  }

  Connection& connection_;
  const Table& table_;
  const std::vector<KeyColumn> columns_;
  const Column* column_ = nullptr;  ///< That stores the key.
  bool is_by_expression_ = false;   ///< Partitioned by LIST on an expression,
  bool is_by_column_ = false;       ///< or on that column.
  std::vector<Candidate> candidates_;
  TableKey found_;
};

}  // namespace

std::string_view bound_expression(std::string_view check, const std::string& column) {
  check = unwrapped(check);
  if (!check.starts_with("NOT ")) return other_side(check, column, " = ");
  return other_side(check.substr(4), column, " IS DISTINCT FROM ");
}

Result<TableKey> find_table_key(Connection& connection, const Table& table,
                                std::string_view key_column) {
  return KeySearch(connection, table, key_column).find();
}

}  // namespace pgfanout

// Everything that a comparison of two tables needs to know before the first row is read: which
// columns meet, what identifies a row, which leaf a key belongs to. Plain data, made by
// make_verify_plan(). Any two layouts will do.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "copier/catalog/source_range.h"
#include "copier/catalog/table.h"
#include "copier/columns/row_layout.h"
#include "copier/layout/layout.h"
#include "hashing/key_expression.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A column that both sides have, in stream order: identity first.
struct ComparedColumn {
  std::string name;        ///< The target's, as in the catalog.
  std::string source_sql;  ///< On a source leaf, in the target's type.
  std::string target_sql;  ///< On a target leaf.
  std::string type_sql;    ///< The target's type.
  std::uint32_t type_oid = 0;
  std::optional<std::size_t> source_column;  ///< If it is just that one.
};

/// How a row is told from others.
enum class IdentityKind : std::uint8_t {
  fixed,   ///< Key columns of fixed width: their bytes.
  hashed,  ///< Other key columns: 128 bits of hash.
  row,     ///< No key: the row itself.
};

/// SQL over one row of a side.
struct RowSql {
  std::string hash;   ///< Of the compared columns, a bigint that is never NULL.
  std::string group;  ///< An integer that decides about the row's group; NULL: without a leaf.
  std::string key;    ///< Empty: no key is known.
  std::string only;   ///< The condition on the rows that are streamed; empty: all are.
};

struct VerifyPlan {
  explicit VerifyPlan(KeyExpression compiled) : key(std::move(compiled)) {}

  Table source;
  Table target;
  bool same_database = false;
  std::vector<ComparedColumn> columns;
  std::size_t identity_columns = 0;
  IdentityKind identity = IdentityKind::row;
  std::size_t identity_bytes = 0;  ///< Of a fixed identity, length words included.

  KeyExpression key;  ///< Gives 0 for every row if no key is known.
  bool has_key = false;
  bool key_is_stated = false;     ///< By a person: only then a row's stored key is ever corrected.
  std::uint32_t wanted_keys = 0;  ///< As wanted_keys() has it.
  /// Name of a column that seems to store a key that is not known, compared as it is.
  std::optional<std::string> compared_key_column;
  std::optional<std::string> key_column;  ///< Name of the target's key column, if it has one.
  std::string key_sql_on_target;  ///< Qualified, over the target's column names; empty: no key.
  std::optional<std::string> source_key_column;  ///< Quoted; a key that the source stores.
  std::optional<std::string> target_key_column;  ///< Quoted.
  bool key_is_generated = false;
  LayoutPointer layout;  ///< Over target.leaves in their order; null unless the key decides.

  RowLayout source_layout;  ///< copied = identity, digested = all compared columns.
  RowLayout target_layout;
  RowSql source_row;  ///< Empty until plan_hashes().
  RowSql target_row;
  std::uint32_t readers = 1;  ///< A side.
  std::vector<Issue> issues;
};

/// Groups of a target that is not laid out by the key.
inline constexpr std::size_t kHashGroups = 64;

enum class Side : std::uint8_t { source, target };

[[nodiscard]] inline const Table& table_of(const VerifyPlan& plan, Side side) {
  return side == Side::source ? plan.source : plan.target;
}
[[nodiscard]] inline const RowLayout& layout_of(const VerifyPlan& plan, Side side) {
  return side == Side::source ? plan.source_layout : plan.target_layout;
}
[[nodiscard]] inline const std::string& sql_of(const ComparedColumn& column, Side side) {
  return side == Side::source ? column.source_sql : column.target_sql;
}
[[nodiscard]] inline const RowSql& row_sql_of(const VerifyPlan& plan, Side side) {
  return side == Side::source ? plan.source_row : plan.target_row;
}
/// The condition on the rows of a range that are streamed, as range_condition() has it.
[[nodiscard]] std::string stream_condition(const VerifyPlan& plan, Side side,
                                           const SourceRange& range);
/// The select list of a side: compared columns, then the stored key if it has one, then a key that
/// only the server computes.
[[nodiscard]] std::string select_list(const VerifyPlan& plan, Side side);
/// The rows of one range of a side.
[[nodiscard]] RangeSelect verify_select(const VerifyPlan& plan, Side side,
                                        const SourceRange& range);

/// Plans the comparison. Reads both catalogs, changes nothing. Refuses what cannot be compared,
/// with a hint: columns without counterpart, types without a binary form, rows hidden by policies.
/// `rows` says how many connections read. Without `reads_rows` only what the tables' definitions
/// need is planned: no column, no leaf and no connection.
Result<VerifyPlan> make_verify_plan(const TableRequest& tables, const RowRequest& rows,
                                    Connection& source, Connection& target, bool reads_rows = true);

/// Adds the SQL by which the servers hash rows. Where the key does not decide, a row's group is a
/// share of all rows by identity, so that both versions of a changed row are in one group; without
/// an identity there is one group. Returns why they cannot; empty: they can.
Result<std::string> plan_hashes(VerifyPlan& plan, Connection& source, Connection& target);

}  // namespace pgfanout

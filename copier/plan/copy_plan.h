// Everything that a copy needs to know before the first row moves, in parts: the source, the
// target, the key, the stream of rows, the DDL, commits and connections. Plain data, made by
// make_copy_plan(). Functions take the part that they need.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/server_facts.h"
#include "copier/catalog/source_range.h"
#include "copier/catalog/table.h"
#include "copier/columns/row_layout.h"
#include "copier/layout/layout.h"
#include "copier/plan/job_key.h"
#include "copier/plan/server_limits.h"
#include "hashing/key_expression.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// A column of the stream, in stream order (copied, compared only, stored key).
struct StreamColumn {
  std::string target_column;  ///< Unquoted.
  /// Select-list expression on a source leaf, in the target's type. Empty: the source does not
  /// store the key.
  std::string source_sql;
  /// The same value read from a target leaf. Empty: the target does not store the key.
  std::string target_sql;
  bool is_volatile = false;   ///< Taken once while copying; left out of later comparisons.
  std::string type_sql = {};  ///< Of the target's column.
  bool is_domain = false;
  bool is_not_null = false;  ///< And the source's value may be NULL.
};

/// A server that holds leaves of the target.
struct LeafServer {
  std::string name;  ///< For messages: "host:port/database".
  std::string dsn;   ///< As in ConnectOptions.
};

/// A leaf of the target: what a lane writes to.
struct TargetLeaf {
  std::string schema;
  std::string name;
  std::string qualified;   ///< Quoted, for SQL.
  std::uint32_t oid = 0;   ///< 0 until it exists.
  std::size_t server = 0;  ///< Index into CopyTarget::servers.
};

/// The target, as it is or as it will be made.
struct CopyTarget {
  std::string schema;
  std::string name;
  std::string qualified;
  bool is_new = false;                  ///< Leaves are made standalone and attached at the end.
  std::string application_path = "''";  ///< search_path of the application, for SET.
  /// Where the leaves are. The first one is the coordinator: it has the parent and the journal.
  std::vector<LeafServer> servers;
  std::vector<TargetLeaf> leaves;              ///< Those that take rows.
  LayoutPointer layout;                        ///< Over those leaves.
  std::vector<std::string> partition_columns;  ///< As in NewLayout.

  /// Whether it is one table that is not partitioned, which is its own leaf.
  [[nodiscard]] bool is_plain() const {
    return leaves.size() == 1 && leaves.front().qualified == qualified;
  }
};

/// The key of the rows, and how the target stores it.
struct CopyKey {
  explicit CopyKey(KeyExpression compiled) : expression(std::move(compiled)) {}

  KeyExpression expression;           ///< Over the source's columns.
  std::string sql_on_target;          ///< Qualified, over the target's column names.
  std::optional<std::string> column;  ///< Target column that stores the key; absent: none.
  bool is_generated = false;          ///< The target's server fills the key column.
};

/// The rows between source and target.
struct CopyStream {
  std::vector<StreamColumn> columns;
  /// Behind the columns: a key that only the server computes. Empty: the client does.
  std::string source_key;
  std::string target_key;
  RowLayout read_layout;        ///< Of rows read from the source.
  RowLayout read_back_layout;   ///< Of rows read back from the target.
  std::string written_columns;  ///< "(a, b, partition_key)" of COPY ... FROM STDIN.
};

/// Wishes of the job beside the source's definition, to be tried on an empty temporary table.
struct TargetTrial {
  struct Step {
    std::string code;     ///< Of the issue if the server refuses it.
    std::string setting;  ///< "target.indexes chunks_fts"
    std::string sql;
  };
  std::vector<Step> make;   ///< The table, and sequences that defaults draw from; in order.
  std::vector<Step> tries;  ///< Each on that table alone, under the application's path.
};

/// Implies the leaf's bound, so that ATTACH does not scan the rows; dropped right after it.
inline constexpr const char* kBoundCheck = "pgfanout_bound";

/// The SQL that makes a new target, by the moment at which it runs; empty for one that exists.
struct TargetDdl {
  std::vector<std::string> create;  ///< Parent and standalone leaves, in order.
  /// For each leaf, with it: ALTER TABLE ... ADD CONSTRAINT (bound, key).
  std::vector<std::vector<std::string>> checks;
  /// For each leaf, after the read-back: ATTACH PARTITION, then DROP of the bound's check.
  std::vector<std::vector<std::string>> attach;
  std::vector<std::string> finish;  ///< After all leaves are attached.
  TargetTrial trial;
};

/// When rows are committed: all at the end, a transaction a leaf (FREEZE, cheapest afterwards), or
/// in epochs, each a part of the source, so that an interruption repeats at most one of them.
struct CommitPlan {
  bool by_leaf = true;
  std::uint64_t epoch_bytes = 0;  ///< Of the source on disk; 0 by leaf.
  bool sets_aside = false;        ///< Rows that the target refuses are set aside, one by one.
  std::string reason;             ///< For people: why so.
};

struct CopyPlan {
  explicit CopyPlan(KeyExpression compiled) : key(std::move(compiled)) {}

  ServerFacts source_server;  ///< When the plan was made.
  ServerFacts target_server;
  Table source;
  CopyTarget target;
  bool same_database = false;
  CopyKey key;
  JobKey job_key;  ///< Where `key` is from.
  CopyStream stream;
  TargetDdl ddl;
  CommitPlan commits;
  ConnectionBudget connections;
  std::vector<Issue> issues;  ///< Warnings and notes for the person who runs it.
};

/// The rows of one range of the source.
[[nodiscard]] RangeSelect source_select(const CopyStream& stream, const Table& source,
                                        const SourceRange& range);
/// The rows of one range of a target leaf.
[[nodiscard]] RangeSelect target_select(const CopyStream& stream, const CopyTarget& target,
                                        const SourceRange& range);

/// As the job says, else by size: by leaf for what takes minutes. `rows` may be 0 if unknown.
Result<CommitPlan> plan_commits(const JobDescription& job, std::uint64_t bytes, std::uint64_t rows);

/// How many rows a copy may set aside, of a source of about that many.
[[nodiscard]] std::uint64_t rows_to_set_aside(const RejectLimit& limit, std::uint64_t source_rows);

/// Ranges for that many readers, numbered by epochs from 1 without gaps.
[[nodiscard]] std::vector<SourceRange> cut_epochs(const std::vector<LeafSize>& leaves,
                                                  std::size_t readers, const CommitPlan& commits);

/// The source's ranges, by epochs.
[[nodiscard]] std::vector<SourceRange> ranges_of(const CopyPlan& plan);

/// The target's name: as the job says, in the source's schema unless it says that too.
Result<RelationName> target_name_of(const TableRequest& job, const Table& source);

/// Plans the copy. Reads both catalogs, changes nothing. Every refusal names the object and the way
/// out. The source's leaves' sizes are those of this moment. `made` are the OIDs of the relations
/// that an earlier call of the job has made, if the job is resumed: then they are the target, to be
/// filled and attached.
Result<CopyPlan> make_copy_plan(const JobDescription& job, Connection& source, Connection& target,
                                const std::vector<std::uint32_t>& made = {});

}  // namespace pgfanout

// The job description that every command takes: the user's request. Plain data; defaults are those
// of the command line.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/severity.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// How rows that are inserted after the job get their key.
enum class KeyMode : std::uint8_t {
  check,       ///< LIST on the key column; a CHECK demands the right key; inserts must supply it.
  generated,   ///< LIST by the expression; the key column is an ordinary generated column.
  expression,  ///< LIST by the expression; no key column.
  none,        ///< LIST on the key column; nothing watches over later inserts.
};

/// As the option names it.
[[nodiscard]] constexpr std::string_view key_mode_name(KeyMode mode) {
  constexpr std::array<std::string_view, 4> kNames = {"check", "generated", "expression", "none"};
  return kNames.at(static_cast<std::size_t>(mode));
}

/// The action on a row whose stored key differs from the recomputed one.
enum class KeyMismatchPolicy : std::uint8_t { fail, fix };

/// Value of a target column: an SQL expression over the source's columns.
struct ColumnMapping {
  std::string column;
  std::string sql;
};

/// Properties of a target's column beside those that it has from the source.
struct TargetColumn {
  std::string name;
  bool is_not_null = false;
  std::string default_sql;  ///< As the application writes it; empty: no other one.
};

/// A sequence that the job makes, and that belongs to a column of the target.
struct TargetSequence {
  std::string name;  ///< In the target's schema unless it is qualified.
  std::string type = "bigint";
  std::int64_t start = 1;
  std::int64_t increment = 1;
  std::string owned_by;  ///< The column, which draws its default from it.
};

/// The target's objects that the source has not.
struct TargetRequest {
  std::vector<std::string> indexes;  ///< "CREATE [UNIQUE] INDEX name ON {table} ...".
  std::vector<TargetColumn> columns;
  std::vector<TargetSequence> sequences;
  std::string leaf_name;  ///< Pattern, "{table}_p{key:02}"; empty: the layout's own.
};

/// Rows that may be set aside before the job stops: a number, or a share of all rows.
struct RejectLimit {
  std::uint64_t rows = 0;
  std::optional<double> percent;  ///< 0 to 100; wins over rows.
};

/// When rows are committed.
struct CommitEvery {
  enum class Unit : std::uint8_t { automatic, leaf, bytes, rows };
  Unit unit = Unit::automatic;
  std::uint64_t amount = 0;  ///< Bytes on the source's disk, or rows.
};

/// The extent of verify.
enum class VerifyScope : std::uint8_t {
  quick,   ///< Counts, bounds, constraints, sequences, a sample of rows.
  data,    ///< Every byte and every key of both sides.
  schema,  ///< The tables' definition and objects.
  full,    ///< Data and schema, constraints and sequences.
};

/// A check of the user's own: of two forms, one is given. `{table}` stands for the table.
struct RuleCheck {
  std::string name;
  std::string sql;    ///< A query: each row that it returns is a violation.
  std::string check;  ///< A condition on a row: one for which it is false is a violation.
  Severity severity = Severity::error;
};

struct VerifyRequest {
  std::optional<VerifyScope> scope;        ///< Absent: full; in a window quick.
  std::uint32_t max_differences = 10'000;  ///< Rows named in one pass.
  bool repair = false;                     ///< Make the target equal, touching only rows named.
  bool stream = false;                     ///< Compare in the client, though servers could hash.
  bool install_views = false;              ///< Only install the views that watch the target.
  Severity fail_on = Severity::error;      ///< A failed criterion of it or worse is a difference.
  std::vector<RuleCheck> rules;            ///< Run on the target in every scope but schema.
};

/// Milliseconds.
struct QueryTimes {
  double p50 = 0;
  double p95 = 0;
  double p99 = 0;
};

/// What must be the same on both sides.
enum class QueryComparison : std::uint8_t {
  rows,   ///< The rows in their order.
  set,    ///< The rows in any order, copies of a row counted.
  count,  ///< How many rows.
  none,   ///< Nothing, as for an approximate search.
};

[[nodiscard]] constexpr const char* name_of(QueryComparison comparison) {
  constexpr std::array kNames = {"rows", "set", "count", "none"};
  return kNames.at(static_cast<std::size_t>(comparison));
}

/// The host of a table's server while the queries ran on that table alone.
struct QueryLoad {
  double seconds = 0;
  std::optional<double> cpu_percent;  ///< Of all processors.
  std::optional<double> memory_percent;
};

/// Figures of queries from before, for a time when the old table is gone.
struct QueryBaseline {
  std::map<std::string, QueryTimes> times;  ///< By the query's name.
  std::optional<QueryLoad> load;
};

/// A query of the application, to be run on both sides.
struct QueryCheck {
  std::string name;
  std::string sql;         ///< `{table}` stands for the table.
  std::string target_sql;  ///< Another form for the new layout; empty: the same.
  std::optional<std::uint32_t> max_partitions;  ///< Leaves that it may read on the target.
  std::optional<double> max_ratio;              ///< Target's p95 over the source's.
  std::uint32_t runs = 5;                       ///< Timed executions a side.
  QueryComparison compare = QueryComparison::set;
  std::optional<double> max_p50;  ///< On the target, milliseconds.
  std::optional<double> max_p95;
  std::optional<double> max_p99;
  Severity severity = Severity::error;  ///< Of a failure; a warning refuses nothing.
  std::vector<std::string> params;      ///< Of $1, $2, ...
  std::uint64_t calls = 0;              ///< By pg_stat_statements; 0: not known.
};

/// The stages of `run`, in order; gates and confirmations name them.
inline constexpr std::array<std::string_view, 8> kWindowStages = {
    "preflight", "prepare", "copy", "index", "constraints", "analyze", "verify", "swap"};

/// Options of run, swap, rollback and cleanup beside those of the copy itself.
struct WindowRequest {
  bool swap = false;                    ///< run: continue to the swap.
  std::vector<std::string> confirm_at;  ///< Stages after which the job waits for a person.
  std::vector<std::string> confirmed;   ///< Stages that a person has confirmed in this call.
  /// Objects that cannot be carried over, which the user accepts: "<kind> <name>" as the plan
  /// prints it.
  std::vector<std::string> accept;
  /// New definitions of views and materialized views that read the table, by qualified name: the
  /// query alone, `{table}` for the new table.
  std::map<std::string, std::string> views;
  std::vector<QueryCheck> queries;
  std::uint32_t statements = 0;  ///< So many more queries from pg_stat_statements.
  QueryBaseline baseline;
  bool advise = false;  ///< queries: name indexes and conditions that would help.
  std::optional<std::uint32_t> index_jobs;              ///< Absent: as fits the server.
  std::optional<std::uint64_t> maintenance_work_bytes;  ///< For each of them.
  std::chrono::milliseconds swap_lock_timeout{2000};    ///< For each lock of the swap.
  std::chrono::seconds swap_within{60};                 ///< For all its attempts together.
  bool end_blockers = false;  ///< Terminate the sessions that block the swap.
  std::uint32_t retention_days = 7;
  bool force = false;          ///< cleanup: before the retention is over.
  bool keep_new_rows = false;  ///< rollback: apply what was written since the swap.
  bool save_new_rows = false;  ///< rollback: save it in a table.
  /// Values of the old table's columns, over those of the new one, for rows that a rollback keeps.
  std::vector<ColumnMapping> rollback_map;
  bool release = false;           ///< Only lift the fence that the job left.
  bool check_references = false;  ///< plan and run: look for a parent of every row.
  bool earlier = false;           ///< rollback: the swap before a job that is undone.
};

/// The two servers, and how they are connected to.
struct Endpoints {
  std::string source_dsn;                 ///< Empty: libpq's environment.
  std::optional<std::string> target_dsn;  ///< Absent: the same as the source.
  std::chrono::seconds connect_timeout{10};
  /// Silence of a server before another connection asks about the session; 0: never.
  std::chrono::seconds stall_timeout{60};
};

inline constexpr std::string_view kDefaultKeyColumn = "partition_key";
inline constexpr std::uint32_t kDefaultPartitions = 100;

/// How a new target is cut into leaves, if not by LIST on the key.
struct LayoutRequest {
  /// "HASH (a, b)", "RANGE (c)", "LIST (c)", "none"; empty: LIST by the key.
  std::string by;
  std::string interval;            ///< RANGE: width of a leaf: "1 month", "10000000".
  std::string from;                ///< RANGE: the first bound; empty: by the data.
  std::uint32_t ahead = 0;         ///< RANGE: empty leaves above the highest row's.
  bool default_partition = false;  ///< RANGE: a leaf for rows that no other takes.
};

/// The two tables, their columns, and the key: what a row becomes.
struct TableRequest {
  std::string table;  ///< As written: qualified or not, quoted where needed.
  std::string into;   ///< Empty: `<table>_new` in the table's schema.
  // Left open, the tables settle these (plan/job_key.h):
  std::string key;         ///< Empty: that of a converted table, else a hash of a column.
  std::string key_column;  ///< Empty: that of a converted table, else kDefaultKeyColumn.
  std::optional<std::uint32_t>
      partitions;                   ///< Absent: as an existing target has, else the default.
  std::optional<KeyMode> key_mode;  ///< Absent: that of a converted table, else check.
  LayoutRequest layout;             ///< Of a target that exists: what it is.
  std::vector<ColumnMapping> map;
  std::vector<std::string> skip;
  std::string search_path;  ///< Of the application, as in SET; empty: as its roles have it.
  TargetRequest target;
};

/// How rows are read and written.
struct RowRequest {
  std::optional<std::uint32_t> readers;  ///< Absent: as fits the server.
  std::optional<std::uint32_t> writers;
  std::uint64_t memory_bytes = 256ULL << 20U;
  bool assume_quiet = false;                     ///< No lock on the source.
  std::chrono::milliseconds lock_timeout{5000};  ///< For each attempt to lock a table.
  KeyMismatchPolicy on_key_mismatch = KeyMismatchPolicy::fail;
  RejectLimit reject_limit;
  CommitEvery commit_every;
};

/// Everything that a command may be asked for. A function takes the part that it needs.
struct JobDescription : Endpoints, TableRequest, RowRequest {
  bool fence = true;     ///< The source stays fenced when an interruption ends the command.
  bool restart = false;  ///< Drop what an earlier run of this job made, and restart.
  bool append = false;   ///< Accept a target that holds rows; they are left alone.
  bool dry_run = false;
  VerifyRequest verify;
  WindowRequest window;
  WatchRequest watch;
};

/// `target_dsn`, or the source's.
[[nodiscard]] inline const std::string& target_dsn_of(const Endpoints& endpoints) {
  return endpoints.target_dsn ? *endpoints.target_dsn : endpoints.source_dsn;
}

}  // namespace pgfanout

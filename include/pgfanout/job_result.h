// The findings and actions of a command: the content of the JSON document, and of the exit code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pgfanout/job.h"
#include "pgfanout/result.h"
#include "pgfanout/severity.h"
#include "pgfanout/verdict.h"
#include "pgfanout/watch.h"

namespace pgfanout {

/// One thing that a person should know.
struct Issue {
  Severity severity = Severity::info;
  std::string code;  ///< Stable kebab-case name, for example "key-null".
  std::string message;
  std::string where = {};
  std::string hint = {};
};

struct TableSummary {
  std::string table;  ///< Qualified, quoted where needed.
  std::uint64_t rows = 0;
  std::string digest;  ///< 32 hex digits; of a RowComparison by hash the sum of the hashes.
  std::string server_version;
};

struct PartitionSummary {
  std::optional<std::int64_t> key;  ///< The (first) key of the leaf.
  std::string table;
  std::uint64_t rows = 0;
  std::string digest;
  std::uint64_t bytes = 0;  ///< Of row data, as sent.
  std::string bound = {};   ///< For people, of a leaf by columns: "2025-01", "'eu', 'us'".
};

/// CPU and idle time, in seconds, over one stage; machine figures are of this host.
struct StageSummary {
  std::string name;
  double seconds = 0;
  std::string status = "ok";  ///< ok, failed, interrupted, running, waiting, confirmed.
  std::string started_at;     ///< Where it comes from the journal; else empty.
  std::string confirmed_by;   ///< Who let the job go on past its gate; empty: nobody.
  std::string confirmed_at;
  std::string detail;  ///< Figures of the stage, for people; may be empty.
  double client_cpu_seconds = 0;
  std::optional<double> machine_cpu_seconds;
  std::optional<double> machine_idle_seconds;
};

/// A column of a row's identity.
struct IdentityValue {
  std::string column;
  std::optional<std::string> value;  ///< As text; absent: NULL.
  bool is_integer = false;
};

/// One row that differs between two tables.
struct RowDifference {
  std::string kind;                     ///< missing, extra, changed or misplaced.
  std::vector<IdentityValue> identity;  ///< Empty for a table without a primary key.
  std::string source;                   ///< "<leaf> (block,line)"; empty: not there.
  std::string target;                   ///< The same on the other side.
  std::vector<std::string> columns;     ///< Of a changed row: the target's columns that differ.
};

/// The differences between two tables. Counts are exact; `rows` may name fewer.
struct Differences {
  std::uint64_t missing = 0;    ///< In the source only; rows set aside are not counted.
  std::uint64_t extra = 0;      ///< In the target only, surplus copies included.
  std::uint64_t changed = 0;    ///< Same identity, other content.
  std::uint64_t misplaced = 0;  ///< Same content, but a wrong key or leaf.
  std::vector<RowDifference> rows;
  [[nodiscard]] std::uint64_t total() const { return missing + extra + changed + misplaced; }
};

/// One object that belongs to a table, on both sides.
struct SchemaFinding {
  std::string kind;
  std::string name;    ///< For people.
  std::string source;  ///< Definition, or empty.
  std::string target;
  std::string gap;     ///< none, missing, extra, different, not valid.
  std::string impact;  ///< For the application's owner, without a final stop; of gap none empty.
  Severity severity = Severity::info;
};

/// Objects of one kind on both sides.
struct SchemaCount {
  std::string kind;
  std::uint64_t source = 0;
  std::uint64_t target = 0;
  std::uint64_t missing = 0;
  std::uint64_t extra = 0;
  std::uint64_t different = 0;  ///< Or not valid.
};
/// By kind, in the order in which the kinds come first.
[[nodiscard]] std::vector<SchemaCount> count_by_kind(const std::vector<SchemaFinding>& schema);

/// One thing that a verification can look at, and what it found.
struct CriterionResult {
  std::string name;
  std::string status;                  ///< pass, fail, "not applicable" or "not checked".
  Severity severity = Severity::info;  ///< Of its failure.
  std::string detail;
  std::string code = {};  ///< Of the issue that tells more; empty: there is none.
};

/// A change that statements of the application will meet after the swap.
struct Impact {
  std::string what;                  ///< "inserts must supply partition_key".
  std::vector<std::string> objects;  ///< Found in the catalog: functions, views, constraints, ...
  std::string advice;
};

/// How long a stage will take, from a calibration. Always an estimate.
struct StageEstimate {
  std::string stage;
  double seconds = 0;
  std::string basis;  ///< "1.2 GB at 310 MB/s".
};

/// A layout that the table could have, and the application's queries in it.
struct LayoutOption {
  std::string layout;  ///< "HASH (collection_id)", "LIST by the key".
  std::uint32_t leaves = 0;
  bool is_asked = false;    ///< The job's.
  bool is_present = false;  ///< The source has it today.
  bool is_better = false;   ///< Than the job's.
  struct Read {
    std::string query;
    std::string leaves;  ///< "1", "some" or "all".
  };
  std::vector<Read> reads;
  std::string changes;  ///< For inserts, keys and references.
};

/// Locks that one transaction holds at most.
struct LockNeed {
  std::string of;  ///< "swap".
  std::int64_t locks = 0;
  std::string basis;  ///< "both tables change names; 202 triggers of the fence are dropped".
};

struct LockFigures {
  std::vector<LockNeed> needs;
  std::int64_t free = 0;  ///< Objects that the target's server has room for now.
};

/// The state of a job, by the journal.
struct JobStatus {
  std::string state;   ///< loading, done, prepared, swapped, rolled back or cleaned up.
  std::string source;  ///< Server, database and table.
  std::string target;
  std::string started_at;
  std::string backup;      ///< The old table's name after a swap; else empty.
  std::string keep_until;  ///< When cleanup may drop it.
  std::string waiting_at;  ///< Stage whose gate waits for a person; else empty.
  std::string active;      ///< The sessions that run it now; else empty.
  std::string next;        ///< The next command.
  std::vector<SessionWait> waits = {};
};

/// The key of one value or row.
struct KeyAnswer {
  std::string expression;
  std::optional<std::int64_t> key;         ///< Absent: the row has no key; `reason` says why.
  std::string reason;                      ///< "null", "integer out of range", ...
  std::optional<std::string> leaf;         ///< Qualified name in the target, if it has one.
  std::optional<std::int64_t> server_key;  ///< Computed by the server.
  bool server_agrees = false;
};

/// One query on one table.
struct QuerySide {
  std::optional<QueryTimes> times;  ///< Absent: it was not timed.
  std::uint32_t runs = 0;
  std::uint64_t rows = 0;
  std::optional<std::uint32_t> leaves_read;  ///< Absent: unknown without its parameters.
  std::uint32_t leaves = 0;
  std::vector<std::string> indexes_used;  ///< Those of the table where a leaf's belongs to one.
  double cost = 0;                        ///< The planner's.
  std::string plan;                       ///< "Limit > Append > 8 x Index Scan".
};

/// Whether both tables gave the same result.
enum class QueryAnswer : std::uint8_t { same, differs, not_compared };

[[nodiscard]] constexpr const char* name_of(QueryAnswer answer) {
  return answer == QueryAnswer::same      ? "same"
         : answer == QueryAnswer::differs ? "differs"
                                          : "not compared";
}

struct QueryResult {
  std::string name;
  std::string sql;  ///< As it ran on the target, or the only table.
  QueryComparison compare = QueryComparison::set;
  QueryAnswer answer = QueryAnswer::not_compared;
  std::optional<QuerySide> source;
  std::optional<QuerySide> target;
  std::optional<double> ratio;  ///< Target's p95 over the source's.
  Severity severity = Severity::error;
  std::vector<std::string> failures;  ///< Empty: it passed, or was not executed.
  std::string note;                   ///< Why it was not executed or not compared.
  bool could_not_run = false;         ///< Nothing is known about it.
};

/// "passed", "failed", "warned" or "not run".
[[nodiscard]] std::string_view status_of(const QueryResult& query);

/// An index, or a condition, that would help queries.
struct IndexAdvice {
  std::string priority;  ///< high, medium or low, by the queries' share of the time.
  std::string query;     ///< Their names.
  std::string kind;      ///< single, composite, covering, partial, expression, gin, key-condition
  std::string reason;
  std::string definition;  ///< CREATE INDEX ... ON {table} ...; of a key-condition: AND ...
  std::string sql;         ///< The same with the table's name.
  std::string tried;       ///< hypopg: the planner uses it; rules: it was not asked.
  std::optional<double> cost_before;  ///< The planner's, of these queries together.
  std::optional<double> cost_after;
};

/// The application's queries before and after.
struct QueryReport {
  std::vector<QueryResult> queries;
  std::optional<QueryLoad> source_load;
  std::optional<QueryLoad> target_load;
  std::string load_not_measured;            ///< Why.
  std::vector<std::string> unused_indexes;  ///< That no query used; "(unique)" behind those needed.
  std::optional<std::vector<IndexAdvice>> advice;  ///< Absent: not asked for.
};

// The results of the commands: for each a struct with what no other command, or only a few, have.

/// Rows that were read: of copy, run and verify.
struct ReadResult {
  std::uint64_t rows_read = 0;
  std::uint64_t bytes_read = 0;
  std::uint64_t key_mismatches = 0;
  std::vector<PartitionSummary> partitions;
  std::optional<double> skew;  ///< Largest leaf over mean.
  std::uint32_t readers = 0;
};
struct CopyResult : ReadResult {
  std::uint64_t rows_written = 0;
  std::uint64_t rows_resumed = 0;  ///< Committed by earlier calls of the job.
  std::uint64_t rows_rejected = 0;
  std::uint64_t bytes_written = 0;
  std::uint32_t writers = 0;
};
inline constexpr const char* kHashStrength =
    "64-bit hash of each row, summed by leaf in the server";
inline constexpr const char* kStreamStrength = "128-bit digest of every byte, in the client";

/// How all rows of two tables were compared.
struct RowComparison {
  std::string by;        ///< "hash" or "stream"; empty: they were not.
  std::string strength;  ///< One of the above.
  /// Of a comparison by hash: leaves of the target, and rows of both sides, that were streamed.
  std::uint64_t leaves_streamed = 0;
  std::uint64_t rows_streamed = 0;
};
struct VerifyResult : ReadResult {
  RowComparison comparison;
  std::optional<Differences> differences;
  std::vector<SchemaFinding> schema;
  std::vector<std::string> deployment_order;  ///< SQL that makes what is missing, in its order.
  std::vector<CriterionResult> criteria;
};
struct PlanResult {
  std::vector<Impact> impact;
  std::vector<LayoutOption> layouts;
  std::vector<StageEstimate> estimates;
  LockFigures locks;
};
struct RunResult : CopyResult {
  std::optional<Differences> differences;
  std::vector<CriterionResult> criteria;  ///< Of its stage verify.
  std::vector<Impact> impact;
  std::optional<JobStatus> status;  ///< After the swap.
};
struct SwapResult {
  std::optional<JobStatus> status;  ///< After the swap.
};
/// The fate of rows that were written after a swap.
struct NewRowsOutcome {
  std::string fate;  ///< kept, saved or lost.
  std::uint64_t inserted = 0;
  std::uint64_t updated = 0;
  std::uint64_t deleted = 0;
  std::string table;  ///< In which they are saved; else empty.
};
struct RollbackResult {
  std::optional<Differences> differences;  ///< Rows written since the swap, which prevent it.
  std::optional<NewRowsOutcome> new_rows;  ///< Absent: there were none.
};
struct CleanupResult {};
struct StatusResult {
  std::optional<JobStatus> status;  ///< Absent: the journal has no job.
};
struct KeyResult {
  std::vector<KeyAnswer> answers;
  std::uint64_t compared = 0;  ///< Values compared by check.
  std::uint64_t disagreements = 0;
  std::vector<std::string> examples;  ///< The first few disagreements, values escaped.
};

/// Rows of the largest leaf over the mean; absent without rows.
[[nodiscard]] std::optional<double> skew_of(const std::vector<PartitionSummary>& leaves);

/// The result of a command: what all commands share, and `details` of the command's own type.
struct JobResult {
  using Details = std::variant<std::monostate, PlanResult, RunResult, CopyResult, VerifyResult,
                               SwapResult, RollbackResult, CleanupResult, StatusResult, KeyResult>;

  JobResult() = default;
  /// `details` becomes the type that belongs to the command; std::monostate where there is none.
  explicit JobResult(std::string_view command);

  std::string command;
  std::string job;  ///< The job's id; empty before there is one.
  std::optional<TableSummary> source;
  std::optional<TableSummary> target;
  std::vector<StageSummary> stages;
  std::vector<Issue> issues;
  std::optional<QueryReport> queries;   ///< Of queries and run.
  std::optional<Error> error;           ///< Ended the command early.
  std::optional<Verdict> verdict;       ///< Absent: nothing was judged, so nothing is proven.
  std::string waiting_at;               ///< Stage whose gate waits for a person; else empty.
  bool writes_refused = false;          ///< A fence stands on the source when the command ends.
  std::vector<std::string> statements;  ///< Dry run: the SQL, in order.
  Details details;
};

// Parts that several commands have; null if the command has none.
/// Of copy, run and verify.
[[nodiscard]] const ReadResult* read_part(const JobResult& result);
/// Of copy and run.
[[nodiscard]] const CopyResult* copy_part(const JobResult& result);
/// Of verify, run and rollback.
[[nodiscard]] const Differences* differences_of(const JobResult& result);
/// Of status, and of run and swap after the swap.
[[nodiscard]] const JobStatus* job_status_of(const JobResult& result);
/// Of verify and run; empty for others.
[[nodiscard]] const std::vector<CriterionResult>& criteria_of(const JobResult& result);
/// Of plan and run; empty for others.
[[nodiscard]] const std::vector<Impact>& impact_of(const JobResult& result);

/// Whether digests are sums of hashes that the servers made.
[[nodiscard]] inline bool is_by_hash(const JobResult& result) {
  const auto* verified = std::get_if<VerifyResult>(&result.details);
  return verified != nullptr && verified->comparison.by == "hash";
}
/// A verdict that was not given is unproven.
[[nodiscard]] inline Verdict final_verdict(const JobResult& result) {
  return result.verdict.value_or(Verdict::unproven);
}
/// 0 to 4, by the contract: an error's consequence first, then the verdict.
[[nodiscard]] int exit_code_of(const JobResult& result);
/// ok, differences, refused, interrupted, waiting or unproven.
[[nodiscard]] std::string status_of(const JobResult& result);

}  // namespace pgfanout

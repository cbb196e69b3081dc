// Statements of applications, tried before and after the swap, in transactions that are rolled
// back. Before it: their queries give the same result on both sides, read few leaves where that is
// expected, and are no slower than the job file allows. After it: the table accepts reads and
// writes of one of its own rows.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "copier/window/state.h"
#include "pgfanout/job_result.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// Reports each query's figures, and an error for each that fails; then refuses. Returns a line for
/// people.
Result<std::string> check_queries(WindowState& state, const Table& source, const Table& target,
                                  std::optional<QueryReport>& report);

/// The result of a statement that was tried on the new table.
enum class Trial : std::uint8_t {
  right,
  wrong,     ///< The table is not what it should be.
  unknown,   ///< The application's triggers, rules or rows decided it.
  referred,  ///< Rows of other tables refer to the row: it cannot be deleted.
};
/// One that must touch one row. `sqlstate`: empty if it ran. `may_be_turned`: triggers or rules of
/// the table may make another statement of it. `may_be_referred_to`: foreign keys of other tables
/// may forbid it. `before`: the SQLSTATE with which the old table refused it.
[[nodiscard]] Trial judge_one_row(std::string_view sqlstate, std::int64_t rows, bool may_be_turned,
                                  bool may_be_referred_to, std::string_view before = {});
/// One that must be refused with SQLSTATE `wanted`.
[[nodiscard]] Trial judge_refusal(std::string_view sqlstate, std::string_view wanted);

/// An insert as a role that may insert into some or all columns, by the SQLSTATEs of the insert, of
/// its EXPLAIN on the new table, and of its EXPLAIN on the old one, where that role has its old
/// rights.
[[nodiscard]] Trial judge_as_role(std::string_view inserted, std::string_view explained,
                                  std::string_view before);

/// Statements that the server refuses before the swap already.
struct RefusedBefore {
  /// SQLSTATEs for any UPDATE and DELETE of the table, as where a publication cannot publish them;
  /// empty: it does them.
  std::string updates;
  std::string deletes;
  std::set<std::string> routines;  ///< SQL functions over the row type whose bodies are wrong.
};
Result<RefusedBefore> find_refused_before(WindowState& state);

/// Delete and insert of a row, reading and updating it by its key, as publications publish it, an
/// insert as each role that may insert, functions over the row type, partition pruning, a wrong key
/// and a dangling reference refused. False if something did not do what it should; each failure is
/// reported. Of a table without
/// rows, what the server refuses without one.
Result<bool> check_after_swap(WindowState& state, const RefusedBefore& before);

}  // namespace pgfanout

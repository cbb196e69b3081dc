// After the swap: whether the table takes what applications do, tried with one of its own rows in a
// transaction that is rolled back.
#pragma once

#include <cstdint>
#include <string_view>

#include "copier/window/window_state.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/job.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The result of a statement that was tried on the new table.
enum class Trial : std::uint8_t {
  right,
  wrong,     ///< The table is not what it should be.
  unknown,   ///< The application's triggers, rules or rows decided it.
  referred,  ///< Rows of other tables refer to the row: it cannot be deleted.
};
/// One that must touch one row. `sqlstate`: empty if it ran. `may_be_turned`: triggers or rules of
/// the table may make another statement of it. `may_be_referred_to`: foreign keys of other tables
/// may forbid it.
[[nodiscard]] Trial judge_one_row(std::string_view sqlstate, std::int64_t rows, bool may_be_turned,
                                  bool may_be_referred_to);
/// One that must be refused with SQLSTATE `wanted`.
[[nodiscard]] Trial judge_refusal(std::string_view sqlstate, std::string_view wanted);

/// Delete and insert of a row, reading and updating it by its key, partition pruning, a wrong key
/// and a dangling reference refused. False if something did not do what it should; each failure is
/// reported. A table without rows passes.
Result<bool> check_after_swap(const JobDescription& job, WindowState& state,
                              const Cancellation& cancellation, const IssueSink& tell);

}  // namespace pgfanout

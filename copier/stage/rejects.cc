#include "copier/stage/rejects.h"

#include "copier/base/counted.h"

namespace pgfanout {
namespace {

std::string way_out(std::string_view code) {
  if (code == "key-no-leaf") {
    return "correct the row, or change --map or --key, or give the target a leaf that takes it "
           "(--default-partition makes one in a new target by RANGE or LIST), or set rows aside "
           "with --reject-limit";
  }
  return "correct the row, change --map or --key, or set rows aside with --reject-limit";
}

}  // namespace

Result<void> Rejects::add(Reject reject) {
  const auto kept = kept_.lock();
  const bool was_over_limit = is_over_limit(*kept);
  if (!was_over_limit) kept->rows.push_back(std::move(reject));
  if (!is_over_limit(*kept)) return {};
  const Reject& last = kept->rows.back();
  Error error = refused(last.code, last.reason);
  if (was_over_limit) return error;
  error.sqlstate = last.sqlstate;
  error.hint = limit_ == 0 ? way_out(last.code)
                           : "raise --reject-limit: " + counted(limit_, "row was", "rows were") +
                                 " set aside already";
  return error;
}

void Rejects::add_key_mismatch(Reject mismatch) {
  constexpr std::size_t kMismatchesKept = 10;
  const auto kept = kept_.lock();
  ++kept->key_mismatch_count;
  if (kept->key_mismatches.size() < kMismatchesKept) {
    kept->key_mismatches.push_back(std::move(mismatch));
  }
}

void Rejects::forget_rows() {
  const auto kept = kept_.lock();
  kept->earlier += kept->rows.size();
  kept->rows.clear();
}

}  // namespace pgfanout

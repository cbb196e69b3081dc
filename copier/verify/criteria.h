// Gathers, while a verification runs, which criteria it looked at and how they ended. A criterion
// passes only if its check ran to the end. Decides nothing about rows; pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/criteria.h"
#include "pgfanout/job.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

class CriteriaBook {
 public:
  explicit CriteriaBook(VerifyScope scope);

  // `part`: of a criterion that has several, such as a rule's name.

  /// The check ran to its end. Passes, unless something was or will be found.
  void ran(Criterion criterion, std::string detail, std::string_view part = {});
  void not_applicable(Criterion criterion, std::string why);
  /// Nobody asked for it, or its limits are known.
  void not_checked(Criterion criterion, std::string why);
  /// The check was to run and could not. How much that matters is the issue's severity.
  void could_not_check(Criterion criterion, const Issue& issue, std::string_view part = {});
  /// A finding of the check. An issue that is only a note changes nothing.
  void found(Criterion criterion, const Issue& issue, std::string_view part = {});

  /// A check could not be made that matters: an error always does, a warning if it is asked for.
  [[nodiscard]] bool is_unproven(Severity from) const {
    return hindrance_ <= std::max(from, Severity::error);
  }
  /// Whether a criterion failed with that severity or a worse one.
  [[nodiscard]] bool fails(Severity from) const;
  /// Whether it is a failure of a criterion.
  [[nodiscard]] bool has(const Issue& issue) const { return codes_.contains(issue.code); }
  /// All criteria in their order.
  [[nodiscard]] std::vector<CriterionResult> results() const;

 private:
  struct Entry {
    Criterion criterion;
    CriterionResult result;
    std::size_t more = 0;  ///< Findings beside the one that is told.
  };
  Entry& entry(Criterion criterion, std::string_view part);

  std::vector<Entry> entries_;  ///< In the order of kCriteria.
  std::set<std::string> codes_;
  Severity hindrance_ = Severity::info;  ///< The worst of what could not be checked.
};

}  // namespace pgfanout

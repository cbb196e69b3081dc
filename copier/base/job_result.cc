// The exit code of a command's result, for the shell that called it.
#include "pgfanout/job_result.h"

namespace pgfanout {

int exit_code_of(const JobResult& result) {
  // A value outside of its enumeration proves nothing: 4.
  if (result.error) {
    const Consequence consequence = result.error->consequence;
    return consequence == Consequence::refuse ? 2 : consequence == Consequence::interrupt ? 3 : 4;
  }
  if (!result.waiting_at.empty()) return 3;
  return result.verdict == Verdict::match ? 0 : result.verdict == Verdict::differs ? 1 : 4;
}

std::string status_of(const JobResult& result) {
  constexpr const char* kStatuses[] = {"ok", "differences", "refused", "waiting", "unproven"};
  const int code = exit_code_of(result);
  return code == 3 && result.error ? "interrupted" : kStatuses[code];
}

}  // namespace pgfanout

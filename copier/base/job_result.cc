// The exit code of a command's result, for the shell that called it.
#include "pgfanout/job_result.h"

namespace pgfanout {

int exit_code_of(const JobResult& result) {
  if (result.error) {
    switch (result.error->consequence) {
      case Consequence::refuse:
        return 2;
      case Consequence::interrupt:
        return 3;
      case Consequence::unproven:
        return 4;
    }
    return 4;  // No such consequence: nothing is proven.
  }
  if (!result.waiting_at.empty()) return 3;
  switch (result.verdict) {
    case Verdict::match:
      return 0;
    case Verdict::differs:
      return 1;
    case Verdict::unproven:
      return 4;
  }
  return 4;  // No such verdict: nothing is proven.
}

std::string status_of(const JobResult& result) {
  switch (exit_code_of(result)) {
    case 0:
      return "ok";
    case 1:
      return "differences";
    case 2:
      return "refused";
    case 3:
      return result.error ? "interrupted" : "waiting";
    default:
      return "unproven";
  }
}

}  // namespace pgfanout

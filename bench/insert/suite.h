// The cases that a request asks for. Pure.
#pragma once

#include <string>
#include <vector>

#include "bench/insert/insert_case.h"
#include "copier/cli/bench_request.h"

namespace pgfanout::bench {

/// A case that is not measured, and why.
struct Impossible {
  InsertCase what;
  std::string reason;
};

/// "Does replacing the trigger by a generated column make inserts more than 10 % faster?", for one
/// method into one layout.
struct Question {
  Method method = Method::multirow;
  Layout layout = Layout::plain;

  [[nodiscard]] InsertCase with(KeyBy key) const;
};

struct Suite {
  std::vector<InsertCase> cases;  ///< Each once, in the order in which they are run.
  std::vector<Question> questions;
  std::vector<Impossible> impossible;
};

[[nodiscard]] Suite suite_of(const BenchRequest& request);

/// "question/generated_for_trigger/multirow/layout:plain".
[[nodiscard]] std::string name_of(const Question& question);

/// The impossible cases, a line for those of a layout that have a reason in common:
/// "layout:list with key:trigger by row|multirow: a row is routed before ...".
[[nodiscard]] std::vector<std::string> impossible_lines(const std::vector<Impossible>& cases);

}  // namespace pgfanout::bench

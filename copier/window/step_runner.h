// Runs the statements of a stage, each exactly once: a step and its mark in the journal commit in
// one transaction, so that an interrupted stage resumes where it stopped.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "copier/carry/carry_plan.h"
#include "copier/journal/window_journal.h"
#include "copier/pg/connection.h"
#include "copier/session/worker_sessions.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/observer.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct StepSettings {
  WorkerSettings sessions;
  std::chrono::milliseconds lock_timeout{5000};
  std::string session_prefix;  ///< Begins the application_name of the workers' sessions.
};

class StepRunner {
 public:
  StepRunner(StepSettings settings, WindowJournal& journal, JobCounters& counters,
             const Cancellation& cancellation)
      : settings_(std::move(settings)),
        journal_(journal),
        counters_(counters),
        cancellation_(cancellation) {}

  /// Steps of different leaves side by side, largest leaf first; those of one leaf in order, by one
  /// worker. A leaf whose steps have all run is in `state` then. Returns how many were run.
  Result<std::uint64_t> run_by_leaf(std::vector<CarryStep> steps,
                                    std::optional<LeafState> state = {});
  /// All in order, on one connection, some in a transaction.
  Result<std::uint64_t> run_in_order(const std::vector<CarryStep>& steps);

 private:
  using Queue = std::vector<std::vector<CarryStep>>;
  Result<std::vector<CarryStep>> left_to_do(std::vector<CarryStep> steps);
  Result<void> run_queue(const Queue& queue, std::optional<LeafState> state);
  void set_state(const std::string& leaf, LeafState state);
  void look_at_builds(Connection& connection);
  Result<void> run_group(Connection& connection, const std::vector<CarryStep>& steps);

  const StepSettings settings_;
  WindowJournal& journal_;
  JobCounters& counters_;
  const Cancellation& cancellation_;
};

}  // namespace pgfanout

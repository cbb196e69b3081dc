// Each decision of a window as a table: the facts on the left, what follows from them on the right.
#include "copier/window/rules.h"

#include <gmock/gmock.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using StageRecords = std::vector<StageRecord>;

StageRecord stage_record(const std::string& name, const std::string& status = "ok",
                         const std::string& confirmed_by = "") {
  StageRecord made;
  made.name = name;
  made.status = status;
  made.confirmed_by = confirmed_by;
  return made;
}

StageRecord waiting_stage(const std::string& name) {
  StageRecord made = stage_record(name);
  made.is_waiting = true;
  return made;
}

/// All stages up to `last` are done.
StageRecords done_up_to(std::string_view last) {
  StageRecords records;
  for (const std::string_view stage : kWindowStages) {
    records.push_back(stage_record(std::string(stage)));
    if (stage == last) break;
  }
  return records;
}

std::optional<JournalEntry> job_entry(const std::string& command, const std::string& state) {
  JournalEntry made;
  made.job = "7";
  made.command = command;
  made.state = state;
  return made;
}

constexpr const char* kJobStates[] = {"open",        "loading",     "done",      "swapped",
                                      "rolled back", "cleaning up", "cleaned up"};

struct GateCase {
  const char* what;
  StageRecords records;
  std::vector<std::string> confirm_at;
  bool swap = false;
  bool copy_goes_on = false;
  NextStage::Move move;
  std::string stage;
};

TEST(WindowRules, NextStageRunsWaitsOrFinishes) {
  using Move = NextStage::Move;
  StageRecords failed = done_up_to("copy");
  failed.push_back(stage_record("index", "failed"));
  StageRecords interrupted = done_up_to("copy");
  interrupted.push_back(stage_record("index", "interrupted"));
  StageRecords killed = done_up_to("constraints");
  killed.push_back(stage_record("analyze", "running"));
  StageRecords confirmed = done_up_to("prepare");
  confirmed.push_back(stage_record("copy", "ok", "postgres"));
  StageRecords failed_gate = done_up_to("analyze");
  failed_gate.push_back(stage_record("verify", "failed"));
  const std::vector<GateCase> cases = {
      {"nothing is done", {}, {}, false, false, Move::run, "preflight"},
      {"a copy goes on without another preflight", {}, {}, false, true, Move::run, "prepare"},
      {"each in its turn", done_up_to("preflight"), {}, false, false, Move::run, "prepare"},
      {"the turn before the copy", done_up_to("prepare"), {}, false, false, Move::run, "copy"},
      {"a failed stage runs again", failed, {}, false, false, Move::run, "index"},
      {"an interrupted stage runs again", interrupted, {}, false, false, Move::run, "index"},
      {"a killed stage runs again", killed, {}, false, false, Move::run, "analyze"},
      {"without --swap", done_up_to("verify"), {}, false, false, Move::finish, ""},
      {"with --swap", done_up_to("verify"), {}, true, false, Move::run, "swap"},
      {"after the swap", done_up_to("swap"), {}, true, false, Move::finish, ""},
      {"a gate", done_up_to("copy"), {"copy"}, true, false, Move::wait, "copy"},
      {"a gate of a stage to come",
       done_up_to("copy"),
       {"verify"},
       true,
       false,
       Move::run,
       "index"},
      {"a confirmed gate", confirmed, {"copy"}, true, false, Move::run, "index"},
      {"a failed stage comes before its gate",
       failed_gate,
       {"verify"},
       true,
       false,
       Move::run,
       "verify"},
      {"the gate before the swap",
       done_up_to("verify"),
       {"verify"},
       true,
       false,
       Move::wait,
       "verify"},
      {"a gate that is asked for late",
       done_up_to("verify"),
       {"index"},
       false,
       false,
       Move::wait,
       "index"},
      {"the first gate of two",
       done_up_to("verify"),
       {"verify", "copy"},
       true,
       false,
       Move::wait,
       "copy"},
      {"the gate behind preflight",
       done_up_to("preflight"),
       {"preflight"},
       false,
       false,
       Move::wait,
       "preflight"},
      {"which a copy that goes on has passed",
       done_up_to("preflight"),
       {"preflight"},
       false,
       true,
       Move::run,
       "prepare"},
      {"the gate behind the swap", done_up_to("swap"), {"swap"}, true, false, Move::wait, "swap"},
  };
  for (const GateCase& each : cases) {
    WindowRequest request;
    request.swap = each.swap;
    request.confirm_at = each.confirm_at;
    const NextStage next = next_stage(each.records, request, each.copy_goes_on);
    EXPECT_EQ(next.move, each.move) << each.what;
    EXPECT_EQ(next.stage, each.stage) << each.what;
  }
}

TEST(WindowRules, PreflightIsRepeatedUntilRowsAreCopied) {
  EXPECT_TRUE(repeats_preflight({}, false));
  EXPECT_TRUE(repeats_preflight(done_up_to("prepare"), false));
  EXPECT_FALSE(repeats_preflight(done_up_to("prepare"), true));
  EXPECT_FALSE(repeats_preflight(done_up_to("copy"), false));
}

/// `stages` are done, of which `waiting` waits and `confirmed` was confirmed.
StageRecords with_gates(StageRecords stages, const std::string& waiting,
                        const std::string& confirmed = "") {
  for (StageRecord& stage : stages) {
    stage.is_waiting = stage.name == waiting;
    if (stage.name == confirmed) stage.confirmed_by = "postgres";
  }
  return stages;
}

TEST(WindowRules, TheFenceAndAPersonsWordSettleThePlan) {
  EXPECT_FALSE(is_plan_settled({}, {}));
  EXPECT_FALSE(is_plan_settled(done_up_to("preflight"), {}));
  EXPECT_FALSE(is_plan_settled(with_gates(done_up_to("preflight"), "preflight"), {}));
  EXPECT_TRUE(is_plan_settled(with_gates(done_up_to("preflight"), "", "preflight"), {}));
  EXPECT_TRUE(is_plan_settled(done_up_to("prepare"), {}));
  WindowRequest confirms;
  confirms.confirmed = {"copy"};
  EXPECT_FALSE(is_plan_settled(done_up_to("preflight"), confirms));
  confirms.confirmed = {"preflight"};
  EXPECT_TRUE(is_plan_settled(done_up_to("preflight"), confirms));
}

TEST(WindowRules, AGateHoldsUntilSomebodyConfirms) {
  struct Case {
    const char* what;
    StageRecords records;
    std::vector<std::string> confirm_at;
    std::string stage;
    bool holds;
  };
  const StageRecords failed = {stage_record("copy", "failed")};
  const std::vector<Case> cases = {
      {"no gate", done_up_to("copy"), {}, "copy", false},
      {"a gate of this call", done_up_to("copy"), {"copy"}, "copy", true},
      {"a gate of an earlier call", with_gates(done_up_to("copy"), "copy"), {}, "copy", true},
      {"of another stage", with_gates(done_up_to("copy"), "copy"), {}, "prepare", false},
      {"of both", with_gates(done_up_to("copy"), "copy"), {"copy"}, "copy", true},
      {"confirmed", with_gates(done_up_to("copy"), "", "copy"), {"copy"}, "copy", false},
      {"a stage that failed", failed, {"copy"}, "copy", false},
      {"a stage that has not begun", done_up_to("copy"), {"verify"}, "verify", false},
  };
  for (const Case& each : cases) {
    WindowRequest request;
    request.confirm_at = each.confirm_at;
    EXPECT_EQ(gate_holds(each.records, request, each.stage), each.holds) << each.what;
  }
}

TEST(WindowRules, NoSwapPastAGate) {
  WindowRequest request;
  const StageRecords ready = done_up_to("verify");
  EXPECT_EQ(gate_before_swap(ready, request), "");
  EXPECT_EQ(gate_before_swap(with_gates(ready, "verify"), request), "verify");
  EXPECT_EQ(gate_before_swap(with_gates(ready, "copy"), request), "copy");
  EXPECT_EQ(gate_before_swap(with_gates(ready, "", "verify"), request), "");
  // The gate behind the swap does not hold the swap, not even of one that was taken back.
  request.confirm_at = {"swap"};
  EXPECT_EQ(gate_before_swap(done_up_to("swap"), request), "");
  request.confirm_at = {"index", "verify"};
  EXPECT_EQ(gate_before_swap(ready, request), "index");
  EXPECT_EQ(gate_before_swap(with_gates(ready, "", "index"), request), "verify");
  EXPECT_EQ(gate_before_swap(done_up_to("copy"), request), "") << "stages that are to come";
}

TEST(WindowRules, NoRunPastAGateOfAnEarlierCall) {
  const NextStage next = next_stage(with_gates(done_up_to("copy"), "copy"), {}, false);
  EXPECT_EQ(next.move, NextStage::Move::wait);
  EXPECT_EQ(next.stage, "copy");
}

TEST(WindowRules, TheGateBehindTheSwapHoldsHoweverTheStageEnded) {
  WindowRequest request;
  StageRecords records = done_up_to("verify");
  EXPECT_FALSE(gate_behind_swap_holds(records, request));
  records.push_back(stage_record("swap", "failed"));
  EXPECT_FALSE(gate_behind_swap_holds(records, request));
  request.confirm_at = {"verify"};
  EXPECT_FALSE(gate_behind_swap_holds(records, request));
  request.confirm_at = {"swap"};
  EXPECT_TRUE(gate_behind_swap_holds(records, request));
  EXPECT_TRUE(gate_behind_swap_holds(with_gates(records, "swap"), {}));
  records.back().confirmed_by = "postgres";
  EXPECT_FALSE(gate_behind_swap_holds(records, request));
}

TEST(WindowRules, StartOfRun) {
  struct Case {
    std::optional<JournalEntry> entry;
    bool restart;
    bool is_same_request;
    RunStart start;
  };
  const std::vector<Case> cases = {
      {std::nullopt, false, false, RunStart::new_job},
      {std::nullopt, true, false, RunStart::new_job},
      {job_entry("run", "open"), false, false, RunStart::go_on},
      {job_entry("run", "loading"), false, false, RunStart::go_on},
      {job_entry("run", "open"), true, true, RunStart::undo_and_begin},
      {job_entry("run", "swapped"), false, true, RunStart::already_swapped},
      {job_entry("run", "swapped"), false, false, RunStart::new_job},
      {job_entry("run", "swapped"), true, true, RunStart::new_job},
      {job_entry("run", "rolled back"), false, true, RunStart::new_job},
      {job_entry("run", "cleaning up"), false, true, RunStart::new_job},
      {job_entry("run", "cleaned up"), false, true, RunStart::new_job},
      {job_entry("copy", "loading"), false, false, RunStart::refuse_copy},
      {job_entry("copy", "loading"), true, false, RunStart::replace_copy},
      {job_entry("copy", "done"), false, true, RunStart::new_job},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(start_of_run(each.entry, each.restart, each.is_same_request), each.start)
        << (each.entry ? each.entry->command + " " + each.entry->state : "none")
        << (each.restart ? " --restart" : "") << (each.is_same_request ? ", same request" : "");
  }
}

TEST(WindowRules, AJobThatIsBeingUndoneIsNotResumed) {
  JournalEntry entry = *job_entry("run", "open");
  entry.is_being_undone = true;
  EXPECT_EQ(start_of_run(entry, false, false), RunStart::refuse_undone);
  EXPECT_EQ(start_of_run(entry, true, false), RunStart::undo_and_begin);
  EXPECT_EQ(start_of_rollback(entry), RollbackStart::undo);
  const auto refusal = refusal_of(RunStart::refuse_undone, entry, "public.t_new");
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->code, "unfinished-job");
  EXPECT_THAT(refusal->hint, ::testing::HasSubstr("'pgfanout rollback' finishes it"));
  EXPECT_EQ(refusal_of(RunStart::refuse_copy, entry, "public.t_new")->code, "unfinished-job");
  EXPECT_FALSE(refusal_of(RunStart::go_on, entry, "public.t_new").has_value());
  // Once undone, another job may begin.
  entry.state = "rolled back";
  EXPECT_EQ(start_of_run(entry, false, false), RunStart::new_job);
}

TEST(WindowRules, ReleaseLowersTheFencesThatAJobMayHaveLeft) {
  EXPECT_EQ(release_of(std::nullopt), Release::no_job);
  for (const std::string state : kJobStates) {
    const Release expected = state == "open" || state == "loading" ? Release::source_and_target
                             : state == "swapped"                  ? Release::live
                                                                   : Release::no_job;
    EXPECT_EQ(release_of(job_entry("run", state)), expected) << state;
  }
}

TEST(WindowRules, StartOfSwap) {
  EXPECT_EQ(start_of_swap(std::nullopt, false), SwapStart::no_job);
  for (const std::string state : kJobStates) {
    const bool is_under_way = state == "open" || state == "loading";
    const SwapStart expected = is_under_way         ? SwapStart::swap
                               : state == "swapped" ? SwapStart::already_swapped
                                                    : SwapStart::no_job;
    EXPECT_EQ(start_of_swap(job_entry("run", state), false), expected) << state;
    if (state != "swapped") {
      EXPECT_EQ(start_of_swap(job_entry("copy", state), false), SwapStart::no_job) << state;
    }
  }
  EXPECT_EQ(start_of_swap(job_entry("run", "swapped"), true), SwapStart::settle);
}

TEST(WindowRules, SwapNeedsEveryStageBeforeIt) {
  EXPECT_EQ(missing_before_swap({}), "preflight");
  for (std::size_t at = 0; at + 1 < kWindowStages.size(); ++at) {
    const std::string_view next = kWindowStages[at + 1];
    EXPECT_EQ(missing_before_swap(done_up_to(kWindowStages[at])), next == "swap" ? "" : next);
  }
  StageRecords failed = done_up_to("analyze");
  failed.push_back(stage_record("verify", "failed"));
  EXPECT_EQ(missing_before_swap(failed), "verify");
  StageRecords skipped = done_up_to("verify");
  skipped.erase(skipped.begin() + 4);
  EXPECT_EQ(missing_before_swap(skipped), "constraints");
}

TEST(WindowRules, StartOfRollback) {
  struct Case {
    std::optional<JournalEntry> entry;
    RollbackStart start;
  };
  const std::vector<Case> cases = {
      {std::nullopt, RollbackStart::no_job},
      {job_entry("run", "open"), RollbackStart::undo},
      {job_entry("run", "loading"), RollbackStart::undo},
      {job_entry("run", "done"), RollbackStart::undo},
      {job_entry("run", "swapped"), RollbackStart::take_swap_back},
      {job_entry("run", "rolled back"), RollbackStart::undone},
      {job_entry("run", "cleaning up"), RollbackStart::backup_gone},
      {job_entry("run", "cleaned up"), RollbackStart::backup_gone},
      {job_entry("copy", "loading"), RollbackStart::undo},
      {job_entry("copy", "done"), RollbackStart::no_job},
      {job_entry("copy", "rolled back"), RollbackStart::no_job},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(start_of_rollback(each.entry), each.start)
        << (each.entry ? each.entry->command + " " + each.entry->state : "none");
  }
}

TEST(WindowRules, LiveTableIsComparedUnlessARollbackLosesMoreThanRows) {
  struct Case {
    LiveTable live;
    bool keep;
    bool force;
    LiveCheck check;
  };
  const std::vector<Case> cases = {
      {{}, false, false, LiveCheck::compare},
      {{}, true, false, LiveCheck::compare},
      {{}, false, true, LiveCheck::compare},
      {{true, false, false}, false, false, LiveCheck::compare},
      {{true, false, false}, false, true, LiveCheck::compare},
      {{true, false, false}, true, false, LiveCheck::refuse_to_keep},
      {{true, false, true}, true, true, LiveCheck::refuse_to_keep},
      {{false, true, false}, false, false, LiveCheck::refuse_half_kept},
      {{false, true, false}, false, true, LiveCheck::refuse_half_kept},
      {{false, true, true}, false, true, LiveCheck::refuse_half_kept},
      {{false, true, false}, true, false, LiveCheck::compare},
      {{false, false, true}, false, false, LiveCheck::refuse_alteration},
      {{false, false, true}, true, false, LiveCheck::refuse_alteration},
      {{false, true, true}, true, false, LiveCheck::refuse_alteration},
      {{false, false, true}, false, true, LiveCheck::lose_alteration},
      {{true, false, true}, false, true, LiveCheck::lose_alteration},
  };
  for (const Case& each : cases) {
    WindowRequest request;
    request.keep_new_rows = each.keep;
    request.force = each.force;
    EXPECT_EQ(check_live(each.live, request), each.check)
        << "mapped " << each.live.has_no_way_back << ", began " << each.live.keep_began
        << ", altered " << each.live.is_altered << ", keep " << each.keep << ", force "
        << each.force;
  }
}

TEST(WindowRules, NewRowsAreLostOnlyIfAskedFor) {
  struct Case {
    std::uint64_t count;
    bool keep;
    bool force;
    NewRows fate;
  };
  const std::vector<Case> cases = {
      {0, false, false, NewRows::none},   {0, true, true, NewRows::none},
      {1, false, false, NewRows::refuse}, {1, true, false, NewRows::keep},
      {1, false, true, NewRows::lose},    {1, true, true, NewRows::lose},
  };
  for (const Case& each : cases) {
    WindowRequest request;
    request.keep_new_rows = each.keep;
    request.force = each.force;
    EXPECT_EQ(fate_of_new_rows(each.count, request), each.fate)
        << each.count << " rows, keep " << each.keep << ", force " << each.force;
  }
  WindowRequest saves;
  saves.save_new_rows = true;
  EXPECT_EQ(fate_of_new_rows(1, saves), NewRows::save);
  EXPECT_EQ(fate_of_new_rows(0, saves), NewRows::none);
}

TEST(WindowRules, CleanupDropsWhatMayGo) {
  const KeptBackup fresh{"swapped", false};
  const KeptBackup old{"swapped", true};
  const KeptBackup begun{"cleaning up", false};
  EXPECT_THAT(backups_to_drop({fresh}, false), IsEmpty());
  EXPECT_THAT(backups_to_drop({fresh, fresh}, false), IsEmpty());
  EXPECT_THAT(backups_to_drop({fresh}, true), ElementsAre(0));
  EXPECT_THAT(backups_to_drop({old, fresh}, false), ElementsAre(0));
  EXPECT_THAT(backups_to_drop({fresh, old}, false), ElementsAre(1));
  EXPECT_THAT(backups_to_drop({begun, fresh, old}, false), ElementsAre(0, 2));
  EXPECT_THAT(backups_to_drop({old, fresh}, true), ElementsAre(0, 1));
}

TEST(WindowRules, StatusTellsOfEachStage) {
  EXPECT_EQ(shown_status(stage_record("copy", "ok"), false), "ok");
  EXPECT_EQ(shown_status(stage_record("copy", "failed"), false), "failed");
  EXPECT_EQ(shown_status(stage_record("copy", "interrupted"), true), "interrupted");
  EXPECT_EQ(shown_status(stage_record("copy", "running"), true), "running");
  EXPECT_EQ(shown_status(stage_record("copy", "running"), false), "interrupted")
      << "nobody is at work";
  EXPECT_EQ(shown_status(waiting_stage("copy"), false), "waiting");
  EXPECT_EQ(shown_status(stage_record("copy", "ok", "postgres"), false), "confirmed");
}

TEST(WindowRules, StatusNamesTheCommandThatGoesOn) {
  struct Case {
    std::string command;
    std::string state;
    StageRecords records;
    bool is_active;
    bool is_fenced;
    std::string next;
    bool is_being_undone = false;
  };
  StageRecords gate = done_up_to("prepare");
  gate.push_back(waiting_stage("copy"));
  const std::vector<Case> cases = {
      {"run", "open", {}, false, true, "pgfanout run"},
      {"run", "open", done_up_to("copy"), false, true, "pgfanout run"},
      {"run", "open", done_up_to("verify"), false, true, "pgfanout swap"},
      {"run", "open", gate, false, true, "pgfanout run --confirm copy"},
      {"run", "open", with_gates(done_up_to("verify"), "verify"), false, true,
       "pgfanout swap --confirm verify"},
      {"run", "open", done_up_to("copy"), true, true, "none while it runs"},
      {"run", "open", done_up_to("swap"), false, true, "pgfanout rollback", true},
      {"run", "swapped", done_up_to("swap"), false, true,
       "pgfanout cleanup, from then on; pgfanout rollback takes the swap back"},
      {"run", "swapped", with_gates(done_up_to("swap"), "swap"), false, true,
       "pgfanout cleanup --confirm swap, from then on; pgfanout rollback takes the swap back"},
      {"run", "cleaning up", done_up_to("swap"), false, true, "pgfanout cleanup"},
      {"run", "cleaned up", done_up_to("swap"), false, true, "none"},
      {"run", "rolled back", done_up_to("swap"), false, true, "none"},
      {"copy", "loading", {}, true, true, "none while it runs"},
      {"copy", "loading", {}, false, true, "pgfanout copy"},
      {"copy", "loading", {}, false, false, "pgfanout copy --restart"},
      {"copy", "done", {}, false, true, "pgfanout copy"},
      {"copy", "done", {}, false, false, "pgfanout verify"},
  };
  for (const Case& each : cases) {
    JournalEntry job = *job_entry(each.command, each.state);
    job.keep_until = "then";
    job.is_fenced = each.is_fenced;
    job.is_being_undone = each.is_being_undone;
    EXPECT_EQ(next_command(job, each.records, each.is_active), each.next)
        << each.command << " " << each.state;
  }
}

}  // namespace
}  // namespace pgfanout

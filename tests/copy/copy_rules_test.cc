// Every decision of a copy, as a table: what the journal and the call say, and what follows.
#include "copier/copy/copy_rules.h"

#include <gtest/gtest.h>

#include <functional>

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t kTarget = 100;
constexpr std::uint32_t kLeaf = 101;

JournalEntry job_of(const std::string& command, const std::string& state, bool is_fenced = true) {
  JournalEntry entry;
  entry.job = "j1";
  entry.target_schema = "public";
  entry.target_name = "t_new";
  entry.source = "the source";
  entry.source_oid = 7;
  entry.command = command;
  entry.state = state;
  entry.is_fenced = is_fenced;
  entry.request = R"([["key","k"],["partitions","8"]])";
  entry.made = {{kTarget, "public", "t_new"}, {kLeaf, "public", "t_new_p0"}};
  return entry;
}

template <class T>
std::string code_of(const Result<T>& result) {
  return result ? "" : result.error().code;
}

// ---- the claim

std::string claim(const std::optional<JournalEntry>& last, const JobDescription& job = {}) {
  const auto standing = start_of_copy(last, job, "public.t");
  if (!standing) return standing.error().code;
  switch (*standing) {
    case CopyStart::fresh:
      return "fresh";
    case CopyStart::restart:
      return "begins anew";
    case CopyStart::resumes:
      return "resumes";
    case CopyStart::finished:
      return "finished";
  }
  return "?";
}

JobDescription called_with(const std::function<void(JobDescription&)>& option) {
  JobDescription job;
  option(job);
  return job;
}
const JobDescription kPlain{};
const JobDescription kRestart = called_with([](auto& job) { job.restart = true; });
const JobDescription kDryRun = called_with([](auto& job) { job.dry_run = true; });
const JobDescription kNoFence = called_with([](auto& job) { job.fence = false; });
const JobDescription kQuiet = called_with([](auto& job) { job.assume_quiet = true; });
const JobDescription kRelease = called_with([](auto& job) { job.window.release = true; });
const JobDescription kDryRestart = called_with([](auto& job) { job.dry_run = job.restart = true; });
const JobDescription kRestartNoFence = called_with([](auto& job) {
  job.restart = true;
  job.fence = false;
});

TEST(CopyClaim, NoJobBeforeIt) {
  for (const auto& job : {kPlain, kRestart, kDryRun, kNoFence, kQuiet, kRelease}) {
    EXPECT_EQ(claim(std::nullopt, job), "fresh");
  }
}

TEST(CopyClaim, EveryStateOfAnEarlierJob) {
  struct Case {
    const char* command;
    const char* state;
    bool is_fenced;
    const char* plain;
    const char* restart;
    const char* dry_run;
    const char* no_fence;
  };
  const Case cases[] = {
      {"copy", "loading", true, "resumes", "begins anew", "unfinished-job", "other-request"},
      {"copy", "loading", false, "unfinished-job", "begins anew", "unfinished-job",
       "unfinished-job"},
      {"copy", "open", true, "resumes", "begins anew", "unfinished-job", "other-request"},
      {"copy", "done", true, "finished", "begins anew", "unfinished-job", "other-request"},
      {"copy", "done", false, "fresh", "begins anew", "fresh", "fresh"},
      {"copy", "rolled back", true, "fresh", "begins anew", "fresh", "fresh"},
      {"copy", "rolled back", false, "fresh", "begins anew", "fresh", "fresh"},
      {"run", "open", true, "unfinished-job", "unfinished-job", "unfinished-job", "unfinished-job"},
      {"run", "loading", true, "unfinished-job", "unfinished-job", "unfinished-job",
       "unfinished-job"},
      {"run", "done", true, "fresh", "fresh", "fresh", "fresh"},
      {"run", "swapped", true, "fresh", "fresh", "fresh", "fresh"},
      {"run", "rolled back", false, "fresh", "fresh", "fresh", "fresh"},
      {"run", "cleaned up", false, "fresh", "fresh", "fresh", "fresh"},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE(std::string(each.command) + ", " + each.state +
                 (each.is_fenced ? ", fenced" : ""));
    const JournalEntry last = job_of(each.command, each.state, each.is_fenced);
    EXPECT_EQ(claim(last), each.plain);
    EXPECT_EQ(claim(last, kRestart), each.restart);
    EXPECT_EQ(claim(last, kRestartNoFence), each.restart);
    EXPECT_EQ(claim(last, kDryRun), each.dry_run);
    EXPECT_EQ(claim(last, kDryRestart), each.dry_run);
    EXPECT_EQ(claim(last, kNoFence), each.no_fence);
    EXPECT_EQ(claim(last, kQuiet), each.no_fence);
    EXPECT_EQ(claim(last, kRelease), each.plain);
  }
}

TEST(CopyClaim, RefusalsNameTheJobAndTheWayOut) {
  const auto window = start_of_copy(job_of("run", "open"), kPlain, "public.t");
  ASSERT_FALSE(window);
  EXPECT_EQ(window.error().where, "public.t_new");
  EXPECT_NE(window.error().message.find("a window into"), std::string::npos);
  EXPECT_NE(window.error().message.find("job j1"), std::string::npos);
  EXPECT_NE(window.error().hint.find("rollback"), std::string::npos);
  const auto unfenced = start_of_copy(job_of("copy", "loading", false), kPlain, "public.t");
  ASSERT_FALSE(unfenced);
  EXPECT_NE(unfenced.error().hint.find("--restart"), std::string::npos);
  const auto quiet = start_of_copy(job_of("copy", "loading"), kQuiet, "public.t");
  ASSERT_FALSE(quiet);
  EXPECT_EQ(quiet.error().where, "public.t");
  EXPECT_NE(quiet.error().hint.find("--assume-quiet"), std::string::npos);
}

TEST(CopyClaim, DoneButFenced) {
  EXPECT_TRUE(is_done_but_fenced(job_of("copy", "done")));
  EXPECT_FALSE(is_done_but_fenced(job_of("copy", "done", false)));
  EXPECT_FALSE(is_done_but_fenced(job_of("copy", "loading")));
  EXPECT_FALSE(is_done_but_fenced(job_of("run", "done")));
}

// ---- what a call that goes on must find as it was

TEST(CopyGoesOn, WithTheSameSourceAndSettings) {
  const JournalEntry entry = job_of("copy", "loading");
  EXPECT_EQ(code_of(check_same_source(entry, 7)), "");
  EXPECT_EQ(code_of(check_same_source(entry, 8)), "other-request");
  EXPECT_EQ(code_of(check_same_request(entry, entry.request, "public.t")), "");
  const auto other = check_same_request(entry, R"([["key","k"],["partitions","9"]])", "public.t");
  EXPECT_EQ(code_of(other), "other-request");
  EXPECT_NE(other.error().message.find("was: partitions 8; now: partitions 9"), std::string::npos)
      << other.error().message;
}

TEST(CopyGoesOn, WhereItsFenceIs) {
  const JournalEntry entry = job_of("copy", "loading");
  const std::vector<std::string> facts = {"columns of 7: x", "database 5 of system 9"};
  EXPECT_EQ(code_of(check_same_place({}, "database 6 of system 9", entry, "here")), "");
  EXPECT_EQ(code_of(check_same_place(facts, "database 5 of system 9", entry, "here")), "");
  EXPECT_EQ(code_of(check_same_place(facts, "database 6 of system 9", entry, "here")),
            "other-source");
  EXPECT_EQ(code_of(check_same_place(facts, "database 5 of system 8", entry, "here")),
            "other-source");
}

TEST(CopyGoesOn, IfItsFenceHasStood) {
  using Facts = std::vector<std::string>;
  const Facts then = {"a", "b"};
  EXPECT_EQ(code_of(check_fence_stood(then, then, "public.t")), "");
  EXPECT_EQ(code_of(check_fence_stood(then, std::nullopt, "public.t")), "fence-lifted");
  const auto changed = check_fence_stood(then, Facts{"a", "c"}, "public.t");
  EXPECT_EQ(code_of(changed), "source-changed");
  EXPECT_NE(changed.error().message.find("was: b; is: c"), std::string::npos);
  EXPECT_EQ(code_of(check_fence_stood(then, Facts{"a"}, "public.t")), "source-changed");
  EXPECT_EQ(code_of(check_fence_stood(then, Facts{"a", "b", "c"}, "public.t")), "source-changed");
}

TEST(CopyGoesOn, IntoTheSameLeaves) {
  const JournalEntry entry = job_of("copy", "loading");
  const auto code = [&](std::vector<LeafNow> now, bool are_made) {
    return code_of(check_same_leaves({"public.t_new_p0"}, now, are_made, entry, "public.t_new"));
  };
  EXPECT_EQ(code({{"public.t_new_p0", kLeaf}}, true), "");
  EXPECT_EQ(code({{"public.t_new_p0", kLeaf + 1}}, true), "target-changed") << "another table";
  EXPECT_EQ(code({{"public.t_new_p0", {}}}, true), "target-changed") << "it is gone";
  EXPECT_EQ(code({{"public.t_new_p0", {}}}, false), "") << "a table of the user's own";
  EXPECT_EQ(code({{"public.t_new_p1", kLeaf}}, true), "target-changed");
  EXPECT_EQ(code({{"public.t_new_p1", kLeaf}}, false), "target-changed");
  EXPECT_EQ(code({}, true), "target-changed");
  EXPECT_EQ(code({{"public.t_new_p0", kLeaf}, {"public.t_new_p1", kLeaf}}, true), "target-changed");
}

TEST(CopyGoesOn, IfAnEpochReadsWhatItRead) {
  MultisetDigest then;
  then.add({1, 2});
  MultisetDigest other;
  other.add({1, 3});
  MultisetDigest more = then;
  more.add({1, 2});
  EXPECT_EQ(code_of(check_same_rows(3, then, then, false, "public.t")), "");
  EXPECT_EQ(code_of(check_same_rows(3, then, then, true, "public.t")), "");
  EXPECT_EQ(code_of(check_same_rows(3, then, other, true, "public.t")), "");
  EXPECT_EQ(code_of(check_same_rows(3, then, more, true, "public.t")), "source-changed");
  EXPECT_EQ(code_of(check_same_rows(3, then, more, false, "public.t")), "source-changed");
  const auto differs = check_same_rows(3, then, other, false, "public.t");
  EXPECT_EQ(code_of(differs), "source-changed");
  EXPECT_EQ(differs.error().consequence, Consequence::unproven);
  EXPECT_EQ(differs.error().message.rfind("epoch 3 had 1 row with", 0), 0U)
      << differs.error().message;
}

TEST(FinishedCopy, ItsTargetIsThere) {
  JournalEntry entry = job_of("copy", "done");
  EXPECT_TRUE(is_target_there(entry, kTarget));
  EXPECT_FALSE(is_target_there(entry, kTarget + 5)) << "another table of that name";
  EXPECT_FALSE(is_target_there(entry, std::nullopt));
  // Of a table of the user's own the journal has no OID.
  entry.made = {{kLeaf, "public", "t_new_rejects"}};
  EXPECT_TRUE(is_target_there(entry, kTarget + 5));
  EXPECT_FALSE(is_target_there(entry, std::nullopt));
  entry.made = {{kTarget, "other", "t_new"}};
  EXPECT_TRUE(is_target_there(entry, kTarget + 5));
}

// ---- giving up

TEST(GiveUp, RowsInATableOfTheUsersOwnAreNotForgotten) {
  JournalEntry own = job_of("copy", "loading");
  EXPECT_TRUE(made_its_target(own));
  EXPECT_EQ(code_of(check_may_forget(own, {500, "public.t_new", true})), "");
  JournalEntry of_user = own;
  of_user.made = {{kLeaf, "public", "t_new_rejects"}};
  EXPECT_FALSE(made_its_target(of_user));
  EXPECT_EQ(code_of(check_may_forget(of_user, {0, "public.t_new", true})), "");
  EXPECT_EQ(code_of(check_may_forget(of_user, {500, "", false})), "") << "it was dropped";
  EXPECT_EQ(code_of(check_may_forget(of_user, {500, "public.t_new", false})), "") << "emptied";
  const auto left = check_may_forget(of_user, {1500, "public.t_new", true});
  EXPECT_EQ(code_of(left), "rows-left");
  EXPECT_EQ(left.error().where, "public.t_new");
  EXPECT_EQ(left.error().message.rfind("1,500 rows of job j1", 0), 0U) << left.error().message;
}

// ---- retries

TEST(Retry, PausesGrowAndEnd) {
  EXPECT_EQ(pause_before_retry(true, 0, false), milliseconds(200));
  milliseconds before(0);
  int attempts = 0;
  while (const auto pause = pause_before_retry(true, attempts, false)) {
    EXPECT_GT(*pause, before);
    before = *pause;
    ++attempts;
    ASSERT_LT(attempts, 100);
  }
  EXPECT_EQ(attempts, 5);
  EXPECT_EQ(pause_before_retry(true, attempts + 1, false), std::nullopt);
}

TEST(Retry, NotAfterAnErrorThatStaysOrAStop) {
  EXPECT_EQ(pause_before_retry(false, 0, false), std::nullopt);
  EXPECT_EQ(pause_before_retry(true, 0, true), std::nullopt);
}

TEST(Retry, AnEpochThatWasCompletedCountsAnew) {
  EXPECT_EQ(next_attempt(0, 3, 3), 1);
  EXPECT_EQ(next_attempt(4, 3, 3), 5);
  EXPECT_EQ(next_attempt(4, 3, 4), 0);
}

// ---- the end of the command

TEST(CopySettlement, ByExitCode) {
  struct Case {
    int exit_code;
    bool is_attached;
    CopySettlement expected;
  };
  const Case cases[] = {
      {0, true, {true, true, false}},   // Done.
      {0, false, {true, true, false}},  // Released.
      {1, false, {true, false, false}}, {2, false, {true, false, true}},
      {2, true, {true, false, false}},  {3, false, {false, false, false}},
      {3, true, {false, false, false}}, {4, false, {false, false, false}},
      {4, true, {false, false, false}},
  };
  for (const Case& each : cases) {
    SCOPED_TRACE("exit code " + std::to_string(each.exit_code));
    EXPECT_EQ(settlement_of({each.exit_code, true, true, true, each.is_attached}), each.expected);
    // Without a fence of its own, be it by --no-fence or within a window, there is none to lift.
    EXPECT_EQ(settlement_of({each.exit_code, true, false, true, each.is_attached}),
              (CopySettlement{false, false, each.expected.drops_tables}));
    // The journal has no job, or one that an earlier call began.
    EXPECT_EQ(settlement_of({each.exit_code, false, true, true, each.is_attached}),
              CopySettlement());
    EXPECT_EQ(settlement_of({each.exit_code, true, true, false, each.is_attached}),
              CopySettlement());
  }
}

}  // namespace
}  // namespace pgfanout

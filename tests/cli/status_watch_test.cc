// Watching a job whose looks are made up: what is told of servers that go away, jobs that are
// forgotten, and the end.
#include "copier/cli/status_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <optional>
#include <string>

#include "tests/cli/capture.h"

namespace pgfanout {
namespace {

JobSnapshot copying(std::uint64_t rows) {
  JobSnapshot look;
  look.status.job = "j1";
  std::get<StatusResult>(look.status.details).status.emplace().active = "2 sessions";
  look.status.verdict = Verdict::match;
  look.stage = "copy";
  look.rows_seen = rows;
  return look;
}

TEST(StatusView, CountsWhatWasReadSinceTheStageWasSeen) {
  const JobDescription job;
  StatusView views(job);
  EXPECT_EQ(views.view(copying(1000), 0).now.rows, 0U) << "what came before, nobody saw";
  const JobView second = views.view(copying(1500), 2);
  EXPECT_EQ(second.now.rows, 500U);
  EXPECT_DOUBLE_EQ(second.now.rows_per_second, 250);
  JobSnapshot next = copying(1600);
  next.stage = "copy/read-back";
  EXPECT_EQ(views.view(next, 4).now.rows, 0U);
}

TEST(StatusView, ByEpochTheJournalKnowsTheRows) {
  const JobDescription job;
  JobSnapshot look = copying(1000);
  look.by_leaf = false;
  look.rows_committed = 700;
  look.bytes_expected = 100;
  look.bytes_done = 40;
  const JobView view = StatusView(job).view(look, 0);
  EXPECT_EQ(view.now.rows, 700U);
  EXPECT_EQ(percent_of(view.now), 40U);
}

TEST(StatusView, ListsTheStagesThatAreToCome) {
  const JobDescription job;
  JobSnapshot look = copying(0);
  StageSummary done;
  done.name = "preflight";
  done.seconds = 2;
  StageSummary gate = done;
  gate.name = "prepare";
  gate.status = "waiting";
  look.status.stages = {done, gate};
  const JobView view = StatusView(job).view(look, 0);
  ASSERT_EQ(view.stages.size(), kWindowStages.size());
  EXPECT_EQ(view.stages[0].state, JobView::StageState::done);
  EXPECT_EQ(view.stages[1].state, JobView::StageState::gate);
  EXPECT_EQ(view.stages[7].name, "swap");
  EXPECT_DOUBLE_EQ(view.seconds, 4);
}

TEST(StatusView, SaysWhereNobodyIsAtWork) {
  const JobDescription job;
  JobSnapshot look = copying(0);
  auto& status = std::get<StatusResult>(look.status.details).status;
  status->active = "";
  status->next = "pgfanout run";
  EXPECT_EQ(StatusView(job).view(look, 0).last_issue, "no session works on it; next: pgfanout run");
}

/// Looks that come one after the other; the last one stays.
class Looks {
 public:
  void add(Result<JobSnapshot> look) { looks_.push_back(std::move(look)); }
  Result<JobSnapshot> operator()() {
    Result<JobSnapshot> look = looks_.front();
    if (looks_.size() > 1) looks_.pop_front();
    return look;
  }

 private:
  std::deque<Result<JobSnapshot>> looks_;
};

struct Watched {
  std::optional<JobResult> result;
  std::string out;
  std::string err;
};

Watched watch(Looks& looks, bool json = false) {
  Capture out;
  Capture err;
  const OutputStreams streams{out.fd(), err.fd()};
  Invocation call;
  call.command = "status";
  call.json = json;
  const Cancellation never;
  Watched watched;
  watched.result = watch_status(
      call, [&] { return looks(); }, streams, never, std::chrono::milliseconds(10));
  watched.out = out.text();
  watched.err = err.text();
  return watched;
}

JobSnapshot over() {
  JobSnapshot look = copying(10);
  look.is_over = true;
  look.stage.clear();
  return look;
}

TEST(StatusWatch, EndsWithTheJob) {
  Looks looks;
  looks.add(over());
  const Watched watched = watch(looks);
  ASSERT_TRUE(watched.result);
  EXPECT_EQ(exit_code_of(*watched.result), 0);
  EXPECT_EQ(watched.out, "");
}

TEST(StatusWatch, TellsThatTheServerIsAwayAndGoesOn) {
  Looks looks;
  looks.add(copying(1));
  looks.add(interrupted("connection-lost", "the connection was lost"));
  looks.add(over());
  const Watched watched = watch(looks);
  ASSERT_TRUE(watched.result);
  EXPECT_FALSE(watched.result->error);
  EXPECT_THAT(watched.err,
              testing::AllOf(
                  testing::HasSubstr("copy: "),
                  testing::HasSubstr("cannot read the state of the job: the connection was lost"),
                  testing::HasSubstr("connected to the server again")));
}

TEST(StatusWatch, WithoutAFirstLookFailsAsStatusDoes) {
  Looks looks;
  looks.add(refused("no-job", "the journal knows of no job into this target"));
  const Watched watched = watch(looks);
  ASSERT_TRUE(watched.result && watched.result->error);
  EXPECT_EQ(exit_code_of(*watched.result), 2);
}

TEST(StatusWatch, GivesADocumentALook) {
  Looks looks;
  looks.add(over());
  const Watched watched = watch(looks, true);
  EXPECT_EQ(std::count(watched.out.begin(), watched.out.end(), '\n'), 1);
  EXPECT_THAT(watched.out, testing::HasSubstr("\"progress\":{\"stage\":\"\""));
}

}  // namespace
}  // namespace pgfanout

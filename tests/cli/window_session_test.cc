// Sessions of the commands of a maintenance window: each calls its own function, and tells on the
// right stream what came of it and what to type next.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "copier/cli/session.h"
#include "tests/cli/capture.h"

namespace pgfanout {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Words = std::vector<std::string>;

struct WindowTold {
  int exit_code = -1;
  std::string result;
  std::string messages;
  std::string called;  ///< Names of the functions that were called.
};

WindowTold told_by(const Words& words, const JobResult& result) {
  WindowTold told;
  const auto as = [&](const std::string& name) -> JobFunction {
    return [&told, &result, name](const JobDescription&, Observer& observer, const Cancellation&) {
      told.called += name;
      for (const Issue& issue : result.issues) observer.issue_found(issue);
      JobResult own = result;
      own.details = JobResult(name).details;
      return own;
    };
  };
  CommandFunctions functions;
  for (const char* name :
       {"plan", "run", "copy", "verify", "swap", "rollback", "cleanup", "status"}) {
    functions.jobs[name] = as(name);
  }
  const Capture out;
  const Capture err;
  const Cancellation cancellation;
  told.exit_code = run_session(words, functions, {out.fd(), err.fd()}, cancellation);
  told.result = out.text();
  told.messages = err.text();
  return told;
}

JobResult good() {
  JobResult result;
  result.source = TableSummary{"public.t", 0, "", "15.18"};
  result.target = TableSummary{"public.t_new", 3, "", "15.18"};
  result.job = "0a1b2c3d";
  result.verdict = Verdict::match;
  return result;
}

TEST(WindowSession, EveryCommandCallsItsOwnFunction) {
  for (const char* command :
       {"plan", "run", "copy", "verify", "swap", "rollback", "cleanup", "status"}) {
    const WindowTold told = told_by({command, "--table", "t"}, good());
    EXPECT_EQ(told.called, command);
    EXPECT_EQ(told.exit_code, 0);
    // Plan and verify do not look whether a fence stands.
    const bool looks = told.called != "plan" && told.called != "verify";
    const std::string last =
        looks ? "source: writes are allowed\n" : "source: writes are as they were\n";
    EXPECT_THAT(told.result, EndsWith(last)) << command;
    EXPECT_EQ(told.messages, "");
    const WindowTold json = told_by({command, "--table", "t", "--json"}, good());
    EXPECT_THAT(json.result, HasSubstr("\"command\": \"" + std::string(command) + "\""));
    EXPECT_THAT(json.messages, EndsWith(last));
  }
}

TEST(WindowSession, AWaitingRunSaysHowToGoOn) {
  JobResult result = good();
  result.waiting_at = "copy";
  result.writes_refused = true;
  const WindowTold told = told_by({"run", "--table", "my t", "--swap"}, result);
  EXPECT_EQ(told.exit_code, 3);
  EXPECT_EQ(told.result, "");
  EXPECT_THAT(told.messages,
              AllOf(StartsWith("waiting: copy is done, and its gate waits for a person\n"),
                    HasSubstr("  to resume    pgfanout run --table 'my t' --swap --confirm copy\n"),
                    EndsWith("source: writes are refused by a fence until swap or rollback; to "
                             "lift it now: pgfanout run --table 'my t' --release\n")));
  const WindowTold json = told_by({"run", "--table", "t", "--json"}, result);
  EXPECT_THAT(json.result,
              AllOf(HasSubstr("\"status\": \"waiting\""), HasSubstr("\"waiting_at\": \"copy\""),
                    HasSubstr("\"exit_code\": 3"), HasSubstr("\"writes_refused\": true")));
}

TEST(WindowSession, ANoGoIsAnAnswerAndEveryIssueIsToldOnce) {
  JobResult result = good();
  result.error = refused("no-go", "1 thing must be settled first");
  result.issues = {{Severity::error, "disk", "the disk is too small", "", ""}};
  const WindowTold told = told_by({"plan", "--table", "t"}, result);
  EXPECT_EQ(told.exit_code, 2);
  EXPECT_EQ(told.result,
            "no-go: 1 thing must be settled first [no-go]\nreasons against (1):\n"
            "  1. the disk is too small [disk]\nsource: writes are as they were\n");
  EXPECT_EQ(told.messages, "");
  result.issues.clear();
  EXPECT_EQ(told_by({"plan", "--table", "t"}, result).result, "");
}

TEST(WindowSession, IssuesOfARunAreToldWhenTheyAreFound) {
  JobResult result = good();
  result.issues = {{Severity::warning, "w", "mind the gap", "", ""}};
  EXPECT_EQ(told_by({"run", "--table", "t"}, result).messages, "warning: mind the gap [w]\n");
}

TEST(WindowSession, ADryRunOfThePlanPrintsItsStatements) {
  JobResult result = good();
  result.statements = {"-- prepare", "CREATE TABLE a ()"};
  const WindowTold told = told_by({"plan", "--table", "t", "--dry-run"}, result);
  EXPECT_EQ(told.exit_code, 0);
  EXPECT_EQ(told.result, "-- prepare\nCREATE TABLE a ();\n");
  EXPECT_THAT(told.messages, StartsWith("go: public.t can move into public.t_new\ndry run: 1 "));
}

TEST(WindowSession, ADryRunOfRunIsThePlansAndRunsNothing) {
  JobResult result = good();
  result.statements = {"-- prepare", "CREATE TABLE a ()"};
  const WindowTold told = told_by({"run", "--table", "t", "--swap", "--dry-run"}, result);
  EXPECT_EQ(told.called, "plan");
  EXPECT_EQ(told.exit_code, 0);
  EXPECT_EQ(told.result, "-- prepare\nCREATE TABLE a ();\n");
  EXPECT_THAT(told.messages, HasSubstr("  next         pgfanout run --table t --swap\n"));
}

TEST(WindowSession, ADryRunOfASwapAndItsWaysBackPrintsStatementsAlone) {
  for (const char* command : {"swap", "rollback", "cleanup"}) {
    JobResult result(command);
    result.verdict = Verdict::match;
    result.statements = {"-- swap", "BEGIN"};
    const WindowTold told = told_by({command, "--table", "t", "--dry-run"}, result);
    EXPECT_EQ(told.called, command);
    EXPECT_EQ(told.exit_code, 0);
    EXPECT_EQ(told.result, "-- swap\nBEGIN;\n");
    EXPECT_THAT(told.messages, StartsWith("dry run: 1 statement, nothing was executed\n"));
  }
}

TEST(WindowSession, AFailureOfStatusIsNoAnswer) {
  JobResult result("status");
  result.error = interrupted("connect", "the server does not answer");
  const WindowTold told = told_by({"status", "--table", "t"}, result);
  EXPECT_EQ(told.exit_code, 3);
  EXPECT_EQ(told.result, "");
  EXPECT_EQ(told.messages,
            "error: the server does not answer [connect]\nsource: writes are as they were\n");
}

TEST(WindowSession, ABrokenJobFileIsADocumentIfJsonIsAsked) {
  const WindowTold told = told_by({"run", "/nonexistent/job.toml", "--json"}, good());
  EXPECT_EQ(told.exit_code, 2);
  EXPECT_EQ(told.called, "");
  EXPECT_THAT(told.result, AllOf(HasSubstr("\"code\": \"job-file\""),
                                 HasSubstr("\"where\": \"/nonexistent/job.toml\"")));
  EXPECT_THAT(told.messages, AllOf(StartsWith("error: the job file does not exist [job-file]\n"),
                                   Not(HasSubstr("match"))));
}

}  // namespace
}  // namespace pgfanout

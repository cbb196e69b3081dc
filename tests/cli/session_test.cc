// A whole session with commands that need no server: exit codes, and what goes to which stream.
#include "copier/cli/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include "copier/base/pause.h"
#include "copier/base/server_waits.h"
#include "tests/cli/capture.h"

namespace pgfanout {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Words = std::vector<std::string>;

struct Told {
  int exit_code = -1;
  std::string result;
  std::string messages;
};

JobResult small_copy() {
  JobResult result("copy");
  result.source = TableSummary{"public.t", 3, "", "15.18"};
  result.target = TableSummary{"public.t_new", 3, "", "15.18"};
  result.verdict = Verdict::match;
  return result;
}

Told run(const Words& words, const JobResult& result) {
  CommandFunctions functions;
  functions.jobs["copy"] = [&](const JobDescription&, Observer&, const Cancellation&) {
    return result;
  };
  functions.key = [&](const JobDescription&, const KeyQuestion&, const Cancellation&) {
    return result;
  };
  const Capture out;
  const Capture err;
  const Cancellation cancellation;
  Told told;
  told.exit_code = run_session(words, functions, {out.fd(), err.fd()}, cancellation);
  told.result = out.text();
  told.messages = err.text();
  return told;
}

const Words copy_words = {"copy", "--table", "t"};
const Words json_words = {"copy", "--table", "t", "--json"};

KeyResult one_answer() {
  KeyResult report;
  KeyAnswer answer;
  answer.expression = "abs(hashtext(x)) % 100";
  answer.key = 7;
  answer.leaf = "public.t_new_p07";
  answer.server_key = 7;
  answer.server_agrees = true;
  report.answers = {answer};
  return report;
}

JobResult answered(Verdict verdict, const KeyResult& answers) {
  JobResult result("key");
  result.verdict = verdict;
  result.details = answers;
  return result;
}

TEST(Session, SuccessIsToldOnStandardOutput) {
  const Told told = run(copy_words, small_copy());
  EXPECT_EQ(told.exit_code, 0);
  EXPECT_THAT(told.result, StartsWith("match: 3 rows in public.t_new equal public.t\n"));
  EXPECT_THAT(told.result, EndsWith("source: writes are allowed\n"));
  EXPECT_EQ(told.messages, "");
}

TEST(Session, AllElseIsToldOnStandardError) {
  JobResult result = small_copy();
  result.verdict = Verdict::differs;
  Told told = run(copy_words, result);
  EXPECT_EQ(told.exit_code, 1);
  EXPECT_EQ(told.result, "");
  EXPECT_THAT(told.messages,
              AllOf(StartsWith("differs: "), EndsWith("source: writes are allowed\n")));

  result.error = interrupted("lost", "the server went away");
  result.writes_refused = true;
  told = run(copy_words, result);
  EXPECT_EQ(told.exit_code, 3);
  EXPECT_THAT(told.messages,
              AllOf(StartsWith("error: the server went away [lost]\n"),
                    EndsWith("to lift it now: pgfanout copy --table t --release\n")));
}

TEST(Session, EveryOutcomeHasItsExitCode) {
  JobResult result = small_copy();
  const std::array codes = {2, 3, 4};
  for (std::size_t i = 0; i < codes.size(); ++i) {
    result.error = refused("code", "message");
    result.error->consequence = static_cast<Consequence>(i);
    EXPECT_EQ(run(copy_words, result).exit_code, codes[i]);
    EXPECT_EQ(run(json_words, result).exit_code, codes[i]);
  }
  result.error.reset();
  result.verdict = Verdict::unproven;
  EXPECT_EQ(run(copy_words, result).exit_code, 4);
}

TEST(Session, JsonIsAloneOnStandardOutput) {
  const Told told = run(json_words, small_copy());
  EXPECT_EQ(told.exit_code, 0);
  EXPECT_THAT(told.result,
              AllOf(StartsWith("{\n"), EndsWith("}\n"), HasSubstr("\"command\": \"copy\""),
                    HasSubstr("\"status\": \"ok\"")));
  EXPECT_THAT(told.messages,
              AllOf(StartsWith("match: "), EndsWith("source: writes are allowed\n")));
}

TEST(Session, AWrongCommandLineIsOneErrorWithAHint) {
  const Told told = run({"copy", "--tabel", "t"}, small_copy());
  EXPECT_EQ(told.exit_code, 2);
  EXPECT_EQ(told.result, "");
  EXPECT_EQ(told.messages,
            "error: copy has no option --tabel [usage]\n  hint: did you mean --table?\n");
}

TEST(Session, AWrongCommandLineIsADocumentIfJsonIsAmongTheWords) {
  for (const Words& words :
       {Words{"copy", "--tabel", "t", "--json"}, Words{"copy", "--json", "--table"},
        Words{"cpoy", "--json"}, Words{"--json"},
        Words{"copy", "--json", "--table", "t", "--source", "postgresql://bob:hunter2@db/app"}}) {
    const Told told = run(words, small_copy());
    EXPECT_EQ(told.exit_code, 2);
    EXPECT_THAT(told.result, AllOf(StartsWith("{\n"), HasSubstr("\"status\": \"refused\""),
                                   HasSubstr("\"exit_code\": 2"), Not(HasSubstr("hunter2"))));
    EXPECT_THAT(told.messages, AllOf(StartsWith("error: "), Not(HasSubstr("hunter2"))));
  }
}

TEST(Session, ADryRunPrintsItsStatements) {
  JobResult result = small_copy();
  result.statements = {"-- two of them", "CREATE TABLE a ()", "SELECT 1;"};
  const Told told = run({"copy", "--table", "t", "--dry-run"}, result);
  EXPECT_EQ(told.exit_code, 0);
  EXPECT_EQ(told.result, "-- two of them\nCREATE TABLE a ();\nSELECT 1;\n");
  EXPECT_THAT(told.messages, StartsWith("dry run: 2 statements"));
  const Told json = run({"copy", "--table", "t", "--dry-run", "--json"}, result);
  EXPECT_THAT(json.result,
              HasSubstr("\"statements\": [\n    \"-- two of them\",\n    \"CREATE TABLE a ()\","));
}

TEST(Session, KeyAnswersOnStandardOutput) {
  const Told told =
      run({"key", "--table", "t", "--value", "a"}, answered(Verdict::match, one_answer()));
  EXPECT_EQ(told.exit_code, 0);
  EXPECT_EQ(told.result,
            "key expression: abs(hashtext(x)) % 100\n"
            "a: key 7, leaf public.t_new_p07, the server agrees\n");
  EXPECT_EQ(told.messages, "source: writes are as they were\n");
}

TEST(Session, KeyNamesDisagreements) {
  KeyResult report = one_answer();
  report.answers[0].key.reset();
  report.answers[0].leaf.reset();
  report.answers[0].reason = "integer out of range";
  report.answers[0].server_agrees = false;
  report.answers.push_back(report.answers[0]);
  report.answers[1].server_key.reset();
  report.compared = 1000;
  report.disagreements = 2;
  report.examples = {"x\x1b", "y"};
  const Told told = run(
      {"key", "--table", "t", "--value", "a", "--value", "b\n", "--check", "1000", "--seed", "5"},
      answered(Verdict::differs, report));
  EXPECT_EQ(told.exit_code, 1);
  EXPECT_THAT(told.result,
              HasSubstr("\na: no key (integer out of range), the server says 7\n"
                        "b\\x0a: no key (integer out of range), the server gives no key\n"
                        "compared 1,000 values with the server: 2 disagree\n"
                        "  x\\x1b\n  y\nrepeat with --seed 5\n"));
}

TEST(Session, KeyHasAMemberInJson) {
  KeyResult report = one_answer();
  report.compared = 10;
  const Told told =
      run({"key", "--table", "t", "--value", "a", "--json"}, answered(Verdict::match, report));
  EXPECT_THAT(told.result, HasSubstr(R"(  "key": {
    "expression": "abs(hashtext(x)) % 100",
    "answers": [
      {
        "key": 7,
        "leaf": "public.t_new_p07",
        "server_key": 7,
        "server_agrees": true
      }
    ],
    "compared": 10,
    "disagreements": 0,
    "examples": []
  },
  "issues": [])"));
}

TEST(Session, KeyHasNoSuchMemberIfNothingWasAnswered) {
  JobResult result("key");
  result.error = refused("table-missing", "there is no table t");
  const Told told = run({"key", "--table", "t", "--value", "a", "--json"}, result);
  EXPECT_EQ(told.exit_code, 2);
  EXPECT_THAT(told.result, AllOf(HasSubstr("there is no table t"), Not(HasSubstr("\"key\": {"))));
  EXPECT_THAT(told.messages,
              AllOf(StartsWith("error: "), EndsWith("source: writes are as they were\n")));
}

TEST(Session, AnEscapedExceptionIsNoSuccess) {
  CommandFunctions functions;
  functions.jobs["copy"] = [](const JobDescription&, Observer&, const Cancellation&) -> JobResult {
    throw std::runtime_error("boom");
  };
  const Capture out;
  const Capture err;
  const Cancellation cancellation;
  EXPECT_EQ(run_session(json_words, functions, {out.fd(), err.fd()}, cancellation), 3);
  EXPECT_THAT(err.text(), HasSubstr("boom"));
  EXPECT_THAT(out.text(), HasSubstr("\"status\": \"interrupted\""));
}

TEST(Session, ACommandThatHangsIsLeftTwoSecondsAfterAStopAtOnce) {
  Cancellation now;
  const Cancellation cancellation(&now);
  std::atomic<int> left_with{-1};
  CommandFunctions functions;
  functions.leave = [&](int exit_code) { left_with = exit_code; };
  functions.jobs["copy"] = [&](const JobDescription&, Observer&, const Cancellation&) {
    ServerWaits::all().begin(
        &now, {4711, "pgfanout/20260101T020000-ab12/target", "db1:5432/app", "COMMIT"});
    now.set();
    pause_for(std::chrono::seconds(60), [&] { return left_with >= 0; });
    ServerWaits::all().end(&now);
    return small_copy();
  };
  const Capture out;
  const Capture err;
  const auto began = std::chrono::steady_clock::now();
  run_session(json_words, functions, {out.fd(), err.fd()}, cancellation);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
  EXPECT_EQ(left_with, 3);
  EXPECT_THAT(err.text(),
              AllOf(HasSubstr("may still execute COMMIT of pid 4711 (pgfanout/20260101T020000-"
                              "ab12/target) on db1:5432/app [session-left]"),
                    HasSubstr("SELECT pg_terminate_backend(pid) FROM unnest('{4711}'::int[]) pid"),
                    HasSubstr("did not end within two seconds"), HasSubstr("pgfanout status"),
                    HasSubstr("source: writes are refused by a fence")));
  EXPECT_THAT(out.text(), AllOf(HasSubstr("\"job\": \"20260101T020000-ab12\""),
                                HasSubstr("\"code\": \"session-left\""),
                                HasSubstr("\"status\": \"interrupted\"")));
}

TEST(Session, ACommandThatEndsInTimeIsNotLeft) {
  Cancellation now;
  const Cancellation cancellation(&now);
  bool was_left = false;
  CommandFunctions functions;
  functions.leave = [&](int) { was_left = true; };
  functions.jobs["copy"] = [&](const JobDescription&, Observer&, const Cancellation&) {
    now.set();
    return small_copy();
  };
  const Capture out;
  const Capture err;
  EXPECT_EQ(run_session(json_words, functions, {out.fd(), err.fd()}, cancellation), 0);
  EXPECT_FALSE(was_left);
  EXPECT_THAT(out.text(), HasSubstr("\"status\": \"ok\""));
}

TEST(Session, HelpAndVersionGoToStandardOutput) {
  EXPECT_THAT(run({"--help"}, {}).result, StartsWith("pgfanout "));
  EXPECT_EQ(run({"copy", "--help"}, {}).exit_code, 0);
  EXPECT_EQ(run({"--version"}, {}).messages, "");
}

TEST(Session, OutputThatNobodyTakesIsSaidOnStandardError) {
  CommandFunctions functions;
  functions.jobs["copy"] = [](const JobDescription&, Observer&, const Cancellation&) {
    return small_copy();
  };
  const Capture err;
  const Cancellation cancellation;
  EXPECT_EQ(run_session(json_words, functions, {-1, err.fd()}, cancellation), 0);
  EXPECT_THAT(err.text(), HasSubstr("standard output was not written"));
}

TEST(Session, BenchHandsItsWordsOnAndTellsWhyItCouldNot) {
  Words taken;
  CommandFunctions functions;
  functions.bench = [&](std::span<const std::string> words) {
    taken.assign(words.begin(), words.end());
    return refused("no-bench", "it is not here", "build it");
  };
  const Capture out;
  const Capture err;
  const Cancellation cancellation;
  const Words words = {"bench", "--quick", "--json", "file", "--benchmark_filter=x"};
  EXPECT_EQ(run_session(words, functions, {out.fd(), err.fd()}, cancellation), 2);
  EXPECT_EQ(taken, Words(words.begin() + 1, words.end()));
  EXPECT_EQ(out.text(), "");
  EXPECT_EQ(err.text(), "error: it is not here [no-bench]\n  hint: build it\n");
}

}  // namespace
}  // namespace pgfanout

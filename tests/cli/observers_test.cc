// The observers of a command, by its options, and its settings; with commands that need no server.
#include "copier/cli/observers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "copier/cli/arguments.h"
#include "copier/cli/commands.h"
#include "copier/cli/options.h"
#include "copier/cli/session.h"
#include "tests/cli/capture.h"
#include "tests/harness/temporary_file.h"

namespace pgfanout {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Words = std::vector<std::string>;

class ObserversTest : public testing::Test {
 protected:
  /// The exit code of a command on table t that has one stage, if it may begin.
  int run(std::vector<std::string> words) {
    words.insert(words.begin() + 1, {"--table", "t"});
    const JobFunction job = [this](const JobDescription&, Observer& observer, const Cancellation&) {
      is_called = true;
      JobResult result;
      JobCounters counters;
      observer.job_started("j1", counters);
      observer.stage_started("only");
      auto may = observer.may_begin("only");
      if (!may) result.error = may.error();
      StageSummary stage;
      stage.name = "only";
      observer.stage_finished(stage);
      result.verdict = Verdict::match;
      return result;
    };
    CommandFunctions functions;
    functions.jobs = {{"copy", job}, {"plan", job}, {"status", job}, {"rollback", job}};
    return run_session(words, functions, {out.fd(), err.fd()}, cancellation);
  }

  const Capture out;
  const Capture err;
  const Cancellation cancellation;
  bool is_called = false;
};

TEST_F(ObserversTest, WhatCannotBeWrittenIsRefusedBeforeAnythingIsDone) {
  const std::vector<std::vector<std::string>> outputs = {
      {"--events", "/none/e"}, {"--metrics-file", "/none/m"}, {"--metrics", "203.0.113.1:9187"}};
  for (const auto& output : outputs) {
    EXPECT_EQ(run({"copy", output[0], output[1]}), 2) << output[0];
    EXPECT_FALSE(is_called) << output[0];
  }
  EXPECT_THAT(err.text(), HasSubstr("cannot write events to /none/e: No such file"));
}

TEST_F(ObserversTest, WhoOnlyLooksTellsNobody) {
  run({"status", "--events", "/none/e", "--hook", "job_started=echo told"});
  EXPECT_TRUE(is_called);
  EXPECT_THAT(err.text(), Not(HasSubstr("told")));
}

TEST_F(ObserversTest, AHookKeepsAJobFromItsStageButNotFromBeingUndone) {
  EXPECT_EQ(run({"copy", "--progress", "none", "--hook", "stage_started=exit 7"}), 3);
  EXPECT_EQ(run({"rollback", "--progress", "none", "--hook", "stage_started=exit 7"}), 0);
  EXPECT_THAT(err.text(), HasSubstr("error: the hook exit at stage_started ended with exit"));
}

TEST_F(ObserversTest, WhatGoesWrongAtTheEndIsToldOnceAndLeavesTheExitCode) {
  EXPECT_EQ(run({"copy", "--progress", "none", "--hook", "job_finished=echo bye; exit 7"}), 0);
  EXPECT_EQ(err.text(),
            "info: hook echo at job_finished: bye [hook]\n"
            "warning: the hook echo at job_finished ended with exit status 7 [hook-failed]\n");
  EXPECT_EQ(run({"copy", "--progress", "none", "--events", "/dev/full"}), 0);
  EXPECT_THAT(err.text(), HasSubstr("\nwarning: 4 of the job's events could not be written: No "));
}

TEST_F(ObserversTest, APortThatWasChosenIsTold) {
  EXPECT_EQ(run({"copy", "--progress", "none", "--metrics", "127.0.0.1:0"}), 0);
  EXPECT_THAT(err.text(), StartsWith("info: metrics are served at port "));
}

std::vector<ReportSetting> settings(const Words& words) {
  auto parsed = parse_arguments(words);
  if (!parsed) ADD_FAILURE() << parsed.error().message;
  return parsed ? settings_of(std::get<Invocation>(*parsed)) : std::vector<ReportSetting>();
}

ReportSetting setting(const std::vector<ReportSetting>& all, std::string_view name) {
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const ReportSetting& each) { return each.name == name; });
  if (found == all.end()) ADD_FAILURE() << name << " is not listed";
  return found == all.end() ? ReportSetting() : *found;
}

TEST(SettingsOf, EveryOptionOfEveryCommandHasAValue) {
  for (const CommandSpec& command : commands()) {
    Invocation call;
    call.command = command.name;
    const std::vector<ReportSetting> all = settings_of(call);
    for (const OptionSpec& option : options_of(command.name)) {
      const ReportSetting one = setting(all, option.name);
      EXPECT_FALSE(one.value.empty()) << option.name;
      EXPECT_TRUE(one.is_default) << option.name;
    }
  }
}

/// The help is where defaults come from: an option that has one must say so.
TEST(SettingsOf, OptionsWithoutADefaultAreThoseThatNeedNone) {
  Words without;
  Invocation call;
  call.command = "run";
  for (const ReportSetting& each : settings_of(call)) {
    if (each.value == "none" && each.name.starts_with("--")) without.push_back(each.name);
  }
  EXPECT_THAT(without,
              testing::UnorderedElementsAre("--confirm", "--accept", "--table", "--skip",
                                            "--interval", "--finish-by", "--events", "--hook",
                                            "--metrics", "--metrics-file", "--report"));
}

TEST(SettingsOf, WhatWasGivenIsNoDefault) {
  const auto all = settings({"run", "--table", "public.chunks", "--swap", "--skip", "a", "--skip",
                             "b", "--threshold", "cpu=80%:slow"});
  EXPECT_EQ(setting(all, "--table").value, "public.chunks");
  EXPECT_FALSE(setting(all, "--table").is_default);
  EXPECT_EQ(setting(all, "--swap").value, "on");
  EXPECT_EQ(setting(all, "--skip").value, "a\nb");
  EXPECT_EQ(setting(all, "--threshold").value, "cpu=80%:slow");
  EXPECT_EQ(setting(all, "--partitions").value, "100");
  EXPECT_EQ(setting(all, "--restart").value, "off");
}

TEST(SettingsOf, TheCommandLineWinsOverTheJobFile) {
  const harness::TemporaryFile file(
      "[source]\ntable = \"a\"\n[target]\npartitions = 7\n[map]\nx = \"1\"\ny = \"2\"\n"
      "[gates]\ncopy = \"confirm\"\n[thresholds]\ncpu = \"70%\"\n[swap]\nafter_verify = true\n"
      "[verify]\nscope = \"data\"\n[hooks]\nissue = \"/bin/tell --key SECRET\"\n");
  const auto all = settings({"run", file.path(), "--table", "b", "--map", "x=3"});
  EXPECT_EQ(setting(all, "--table").value, "b");
  EXPECT_EQ(setting(all, "--partitions").value, "7");
  EXPECT_EQ(setting(all, "--map").value, "y=2\nx=3");
  EXPECT_EQ(setting(all, "[gates] confirm").value, "copy");
  EXPECT_EQ(setting(all, "--threshold").value, "cpu=70%");
  EXPECT_EQ(setting(all, "--swap").value, "on");
  EXPECT_EQ(setting(all, "[verify] scope").value, "data");
  EXPECT_EQ(setting(all, "--hook").value, "issue=tell ...");
}

TEST(SettingsOf, OfAConnectionStringOnlyTheServer) {
  const auto all = settings({"run", "--table", "t", "--source",
                             "host=db1 port=5433 dbname=app user=me sslkey=/secret/key", "--target",
                             "postgresql://you@db2/other?options=-cx%3Dsecret"});
  EXPECT_EQ(setting(all, "--source").value, "user=me dbname=app host=db1 port=5433");
  EXPECT_EQ(setting(all, "--target").value, "user=you dbname=other host=db2");
}

TEST(SettingsOf, AHookIsShownByItsProgramAlone) {
  EXPECT_EQ(shown_hook("issue=/bin/tell"), "issue=tell ...");
  EXPECT_EQ(shown_hook("issue=tell"), "issue=tell");
  EXPECT_EQ(shown_hook("issue=TOKEN=s3cret /bin/tell --now"), "issue=tell ...");
  EXPECT_EQ(shown_hook("issue=curl -H 'Authorization: s3cret' http://x"), "issue=curl ...");
}

}  // namespace
}  // namespace pgfanout

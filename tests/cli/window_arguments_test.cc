// The commands of a maintenance window: every option with good and bad values, and the commands
// that they lead to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "copier/cli/arguments.h"

namespace pgfanout {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Words = std::vector<std::string>;

WindowRequest window_of(const Words& words) {
  auto parsed = parse_arguments(words);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? std::get<Invocation>(*parsed).job.window : WindowRequest{};
}

Error window_refusal_of(const Words& words) {
  const auto parsed = parse_arguments(words);
  EXPECT_FALSE(parsed);
  return parsed ? Error{} : parsed.error();
}

TEST(WindowArguments, DefaultsAreThoseOfTheRequest) {
  for (const char* command : {"plan", "run", "swap", "rollback", "cleanup", "status"}) {
    const WindowRequest window = window_of({command, "--table", "t"});
    EXPECT_FALSE(window.swap || window.end_blockers || window.force || window.keep_new_rows ||
                 window.release)
        << command;
    EXPECT_TRUE(window.confirmed.empty() && window.confirm_at.empty() && window.accept.empty());
    EXPECT_EQ(window.swap_lock_timeout, std::chrono::seconds(2));
    EXPECT_EQ(window.swap_within, std::chrono::seconds(60));
    EXPECT_EQ(window.retention_days, 7U);
    EXPECT_FALSE(window.index_jobs || window.maintenance_work_bytes);
  }
}

TEST(WindowArguments, EveryOptionReachesTheRequest) {
  const WindowRequest run = window_of({"run",
                                       "--table",
                                       "t",
                                       "--swap",
                                       "--confirm",
                                       "copy",
                                       "--confirm=verify",
                                       "--accept",
                                       "foreign-key public.a.b",
                                       "--accept",
                                       "rule x",
                                       "--index-jobs",
                                       "4",
                                       "--maintenance-work-mem",
                                       "1GB",
                                       "--retention-days",
                                       "30",
                                       "--swap-lock-timeout",
                                       "250ms",
                                       "--swap-within",
                                       "10min",
                                       "--end-blockers"});
  EXPECT_TRUE(run.swap && run.end_blockers);
  EXPECT_THAT(run.confirmed, ElementsAre("copy", "verify"));
  EXPECT_THAT(run.accept, ElementsAre("foreign-key public.a.b", "rule x"));
  EXPECT_EQ(run.index_jobs, 4U);
  EXPECT_EQ(run.maintenance_work_bytes, 1ULL << 30U);
  EXPECT_EQ(run.retention_days, 30U);
  EXPECT_EQ(run.swap_lock_timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(run.swap_within, std::chrono::minutes(10));
  EXPECT_TRUE(window_of({"run", "--table", "t", "--release"}).release);
  EXPECT_TRUE(window_of({"rollback", "--table", "t", "--keep-new-rows"}).keep_new_rows);
  EXPECT_TRUE(window_of({"rollback", "--table", "t", "--force"}).force);
  EXPECT_TRUE(window_of({"cleanup", "--table", "t", "--force"}).force);
  EXPECT_TRUE(window_of({"rollback", "--table", "t", "--force"}).force);
  EXPECT_EQ(window_of({"swap", "--table", "t", "--retention-days", "0"}).retention_days, 0U);
  EXPECT_EQ(window_of({"swap", "--table", "t", "--swap-within", "5"}).swap_within,
            std::chrono::seconds(5));
  EXPECT_TRUE(window_of({"plan", "--table", "t", "--swap"}).swap);
}

TEST(WindowArguments, EveryBadValueIsRefusedWithTheOptionsName) {
  const Words cases[] = {
      {"--confirm", "lunch"},
      {"--confirm", ""},
      {"--accept", "trigger"},
      {"--accept", ""},
      {"--accept", " x"},
      {"--accept", "trigger "},
      {"--index-jobs", "0"},
      {"--maintenance-work-mem", "1023kB"},
      {"--retention-days", "-1"},
      {"--maintenance-work-mem", "2TB"},
      {"--retention-days", "3651"},
      {"--swap-lock-timeout", "0"},
      {"--swap-lock-timeout", "2d"},
      {"--swap-within", "999ms"},
  };
  for (const Words& words : cases) {
    Words all = {"run", "--table", "t"};
    all.insert(all.end(), words.begin(), words.end());
    const Error error = window_refusal_of(all);
    EXPECT_EQ(error.code, "usage");
    EXPECT_THAT(error.message, StartsWith(words[0] + " must be "));
  }
}

TEST(WindowArguments, AStageThatIsMistypedIsAnsweredWithTheNearest) {
  const Error error = window_refusal_of({"run", "--table", "t", "--confirm", "verfy"});
  EXPECT_EQ(error.message,
            "--confirm must be a stage: preflight, prepare, copy, index, constraints, analyze, "
            "verify or swap, not 'verfy'");
  EXPECT_EQ(error.hint, "did you mean verify?");
}

TEST(WindowArguments, AnOptionOfAnotherCommandIsNamedSo) {
  const Error error = window_refusal_of({"copy", "--table", "t", "--swap"});
  EXPECT_EQ(error.message, "copy has no option --swap");
  EXPECT_EQ(error.hint, "it is an option of plan, run");
  EXPECT_EQ(window_refusal_of({"run", "--table", "t", "--force"}).hint,
            "it is an option of rollback, cleanup");
  EXPECT_EQ(window_refusal_of({"run", "--table", "t", "--confrim", "copy"}).hint,
            "did you mean --confirm?");
}

TEST(WindowArguments, ReleaseStandsAlone) {
  EXPECT_THAT(window_refusal_of({"run", "--table", "t", "--release", "--confirm", "copy"}).message,
              HasSubstr("exclude each other"));
  EXPECT_THAT(window_refusal_of({"run", "--table", "t", "--release", "--restart"}).message,
              HasSubstr("exclude each other"));
}

TEST(WindowArguments, NewRowsAreKeptSavedOrGivenUp) {
  const Words all = {"--keep-new-rows", "--save-new-rows", "--force"};
  for (const std::string& left_out : all) {
    Words words = {"rollback", "--table", "t"};
    words.insert(words.end(), all.begin(), all.end());
    std::erase(words, left_out);
    EXPECT_THAT(window_refusal_of(words).message, HasSubstr("exclude each other")) << left_out;
  }
  EXPECT_TRUE(window_of({"rollback", "--table", "t", "--save-new-rows"}).save_new_rows);
}

TEST(WindowArguments, ADryRunDoesNothingElse) {
  for (const char* command : {"run", "swap", "cleanup"}) {
    EXPECT_THAT(
        window_refusal_of({command, "--table", "t", "--dry-run", "--confirm", "swap"}).message,
        HasSubstr("exclude each other"));
  }
  for (const char* option : {"--release", "--restart"}) {
    EXPECT_THAT(window_refusal_of({"run", "--table", "t", "--dry-run", option}).message,
                HasSubstr("nothing was done"));
  }
}

TEST(WindowArguments, WithoutACommandThereIsAHint) {
  const Error error = window_refusal_of({});
  EXPECT_EQ(error.message, "name a command: pgfanout plan, run, copy, verify, ...");
  EXPECT_THAT(error.hint, HasSubstr("pgfanout plan --table NAME"));
  EXPECT_EQ(window_refusal_of({"rolback"}).hint, "did you mean rollback?");
}

JobResult waiting_at(const std::string& stage) {
  JobResult result;
  result.waiting_at = stage;
  return result;
}

std::string after_status(const std::string& bare) {
  JobResult result("status");
  std::get<StatusResult>(result.details).status.emplace().next = bare;
  return next_commands_of(Words{"status", "job.toml", "--table", "a b", "--json"}, "a b", result)
      .by_status;
}

TEST(NextCommands, AfterStatusAreComplete) {
  EXPECT_EQ(after_status("pgfanout swap"), "pgfanout swap job.toml --table 'a b'");
  EXPECT_EQ(after_status("pgfanout run --confirm verify"),
            "pgfanout run job.toml --table 'a b' --confirm verify");
  EXPECT_EQ(after_status("none while it runs"), "");
  EXPECT_EQ(after_status("pgfanout cleanup, from tomorrow on"), "");
  EXPECT_EQ(after_status(""), "");
}

TEST(NextCommands, WhatWasForcedOnceIsNotForcedAgain) {
  const NextCommands next =
      next_commands_of(Words{"rollback", "--table", "t", "--force"}, "t", waiting_at(""));
  EXPECT_EQ(next.cleanup, "pgfanout cleanup --table t");
  EXPECT_EQ(next.rollback, "pgfanout rollback --table t");
}

TEST(NextCommands, SayTheSameJobInTheSameWords) {
  const Words words = {"run",     "job.toml",  "--swap",    "--source=service=prod",
                       "--table", "a b",       "--confirm", "copy",
                       "--json",  "--restart", "--readers", "3"};
  const NextCommands next = next_commands_of(words, "a b", waiting_at("verify"));
  EXPECT_EQ(
      next.again,
      "pgfanout run job.toml --swap --source=service=prod --table 'a b' --confirm copy --json "
      "--restart --readers 3");
  EXPECT_EQ(next.confirm,
            "pgfanout run job.toml --swap --source=service=prod --table 'a b' --json --readers 3 "
            "--confirm verify");
  const std::string job = " job.toml --source=service=prod --table 'a b'";
  EXPECT_EQ(next.swap, "pgfanout swap" + job);
  EXPECT_EQ(next.rollback, "pgfanout rollback" + job);
  EXPECT_EQ(next.cleanup, "pgfanout cleanup" + job);
  EXPECT_EQ(next.run,
            "pgfanout run job.toml --swap --source=service=prod --table 'a b' --readers 3");
  EXPECT_EQ(next.release, "pgfanout run" + job + " --release");
  EXPECT_EQ(next.table, "a b");
  EXPECT_EQ(next_commands_of(words, "t", waiting_at("")).confirm, "");
  EXPECT_EQ(next_commands_of(Words{}, "t", waiting_at("")).again, "");
}

TEST(NextCommands, CanBeParsedAgain) {
  const NextCommands next = next_commands_of(
      Words{"run", "--table", "t", "--swap", "--accept", "rule x"}, "t", waiting_at("copy"));
  for (const std::string& line : {next.again, next.confirm}) {
    EXPECT_THAT(line, StartsWith("pgfanout run --table t --swap --accept 'rule x'"));
  }
  EXPECT_EQ(next.swap, "pgfanout swap --table t");
  EXPECT_EQ(next.rollback, "pgfanout rollback --table t");
  EXPECT_EQ(next.release, "pgfanout run --table t --release");
}

TEST(NextCommands, CarryOnlyOptionsThatMatter) {
  const Words tables = {"--source", "service=prod",  "--target", "service=new", "--table",
                        "t",        "--search-path", "app",      "--into",      "t_next"};
  const Words others = {"--key",    "id % 4", "--partitions",  "4",     "--map",     "a=b",
                        "--skip",   "c",      "--readers",     "3",     "--profile", "polite",
                        "--events", "e",      "--report",      "r",     "--metrics", "127.0.0.1:1",
                        "--hook",   "a=b",    "--progress",    "plain", "--json",    "--finish-by",
                        "04:00",    "--yes",  "--swap-within", "9s",    "--swap",    "--restart"};
  Words words = {"run"};
  words.insert(words.end(), tables.begin(), tables.end());
  words.insert(words.end(), others.begin(), others.end());
  const NextCommands next = next_commands_of(words, "t", waiting_at(""));
  std::string job;
  for (const std::string& word : tables) job += " " + word;
  EXPECT_EQ(next.rollback, "pgfanout rollback" + job);
  EXPECT_EQ(next.cleanup, "pgfanout cleanup" + job);
  EXPECT_EQ(next.swap, "pgfanout swap" + job + " --swap-within 9s");
  EXPECT_EQ(next.release, "pgfanout run" + job + " --release");
  // A plan's settings decide what the run does.
  words.front() = "plan";
  std::erase(words, "--restart");
  EXPECT_EQ(next_commands_of(words, "t", waiting_at("")).run,
            "pgfanout run" + job +
                " --key 'id % 4' --partitions 4 --map a=b --skip c --readers 3 --profile polite"
                " --finish-by 04:00 --swap-within 9s --swap");
}

}  // namespace
}  // namespace pgfanout

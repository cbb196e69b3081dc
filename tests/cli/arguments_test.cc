// Every option with good and bad values, hints, help, and what must never be repeated to the user.
#include "copier/cli/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "copier/cli/commands.h"

namespace pgfanout {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Words = std::vector<std::string>;

/// The invocation of "copy --table t" and further words; a failure ends the test.
Invocation copy_of(const Words& more) {
  Words words = {"copy", "--table", "t"};
  words.insert(words.end(), more.begin(), more.end());
  auto parsed = parse_arguments(words);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? std::get<Invocation>(*parsed) : Invocation{};
}

VerifyRequest verify_of(const Words& words) {
  auto parsed = parse_arguments(words);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().message);
  return parsed ? std::get<Invocation>(*parsed).job.verify : VerifyRequest{};
}

Error refusal_of(const Words& words) {
  const auto parsed = parse_arguments(words);
  EXPECT_FALSE(parsed);
  return parsed ? Error{} : parsed.error();
}

Error copy_refusal(const Words& more) {
  Words words = {"copy", "--table", "t"};
  words.insert(words.end(), more.begin(), more.end());
  return refusal_of(words);
}

std::string information_of(const Words& words) {
  const auto parsed = parse_arguments(words);
  EXPECT_TRUE(parsed);
  const auto* information = parsed ? std::get_if<Information>(&*parsed) : nullptr;
  EXPECT_NE(information, nullptr);
  return information == nullptr ? "" : information->text;
}

TEST(Arguments, DefaultsAreThoseOfTheJob) {
  const Invocation call = copy_of({});
  const JobDescription defaults;
  EXPECT_EQ(call.command, "copy");
  EXPECT_EQ(call.job.table, "t");
  EXPECT_EQ(call.job.source_dsn, "");
  EXPECT_FALSE(call.job.target_dsn);
  EXPECT_EQ(call.job.key_column, "") << "as in a converted table, or partition_key";
  EXPECT_FALSE(call.job.partitions) << "as in an existing target, or 100";
  EXPECT_EQ(call.job.memory_bytes, 256ULL << 20U);
  EXPECT_EQ(call.job.lock_timeout, defaults.lock_timeout);
  EXPECT_FALSE(call.job.readers);
  EXPECT_FALSE(call.json);
  EXPECT_EQ(call.progress, ProgressMode::automatic);
}

TEST(Arguments, EveryOptionReachesTheJob) {
  const Invocation call = copy_of({"--source",
                                   "host=a dbname=b",
                                   "--target=postgresql://c/d",
                                   "--into",
                                   "public.new",
                                   "--key",
                                   "abs(hashtext(x::text)) % 7",
                                   "--key-column=k",
                                   "--partitions",
                                   "7",
                                   "--key-mode",
                                   "generated",
                                   "--on-key-mismatch",
                                   "fix",
                                   "--map",
                                   "a=b",
                                   "--map=c=d=e",
                                   "--skip",
                                   "x",
                                   "--skip",
                                   "y",
                                   "--readers",
                                   "3",
                                   "--writers",
                                   "50",
                                   "--commit-every",
                                   "leaf",
                                   "--memory",
                                   "64MiB",
                                   "--reject-limit",
                                   "5%",
                                   "--assume-quiet",
                                   "--no-fence",
                                   "--restart",
                                   "--lock-timeout",
                                   "2s",
                                   "--connect-timeout",
                                   "3",
                                   "--stall-timeout",
                                   "2min",
                                   "--dry-run",
                                   "--json",
                                   "--progress",
                                   "plain",
                                   "--yes"});
  const JobDescription& job = call.job;
  EXPECT_EQ(job.source_dsn, "host=a dbname=b");
  EXPECT_EQ(job.target_dsn, "postgresql://c/d");
  EXPECT_EQ(job.into, "public.new");
  EXPECT_EQ(job.key, "abs(hashtext(x::text)) % 7");
  EXPECT_EQ(job.key_column, "k");
  EXPECT_EQ(job.partitions, 7U);
  EXPECT_EQ(job.key_mode, KeyMode::generated);
  EXPECT_EQ(job.on_key_mismatch, KeyMismatchPolicy::fix);
  ASSERT_EQ(job.map.size(), 2U);
  EXPECT_EQ(job.map[1].column, "c");
  EXPECT_EQ(job.map[1].sql, "d=e");
  EXPECT_THAT(job.skip, ElementsAre("x", "y"));
  EXPECT_EQ(job.readers, 3U);
  EXPECT_EQ(job.writers, 50U);
  EXPECT_EQ(job.memory_bytes, 64ULL << 20U);
  EXPECT_EQ(job.reject_limit.percent, 5);
  EXPECT_TRUE(job.assume_quiet && job.restart && job.dry_run);
  EXPECT_FALSE(job.fence);
  EXPECT_FALSE(job.append);
  EXPECT_EQ(job.lock_timeout, std::chrono::seconds(2));
  EXPECT_EQ(job.connect_timeout, std::chrono::seconds(3));
  EXPECT_EQ(job.stall_timeout, std::chrono::seconds(120));
  EXPECT_TRUE(call.json);
  EXPECT_EQ(call.progress, ProgressMode::plain);
}

TEST(Arguments, EveryWordOfAChoiceIsKnown) {
  EXPECT_EQ(copy_of({"--key-mode", "check"}).job.key_mode, KeyMode::check);
  EXPECT_EQ(copy_of({"--key-mode", "expression"}).job.key_mode, KeyMode::expression);
  EXPECT_EQ(copy_of({"--key-mode", "none"}).job.key_mode, KeyMode::none);
  EXPECT_EQ(copy_of({"--on-key-mismatch", "fail"}).job.on_key_mismatch, KeyMismatchPolicy::fail);
  EXPECT_EQ(copy_of({"--progress", "none"}).progress, ProgressMode::none);
  EXPECT_EQ(copy_of({"--progress", "auto"}).progress, ProgressMode::automatic);
  EXPECT_FALSE(copy_of({"--readers", "auto"}).job.readers);
  EXPECT_TRUE(copy_of({"--append"}).job.append);
}

TEST(Arguments, EveryBadValueIsRefusedWithTheOptionsName) {
  const Words cases[] = {
      {"--into", ""},
      {"--key", ""},
      {"--key-column", ""},
      {"--partitions", "0"},
      {"--partitions", "x"},
      {"--partitions", "10001"},
      {"--key-mode", "maybe"},
      {"--map", "a"},
      {"--skip", ""},
      {"--readers", "0"},
      {"--writers", "many"},
      {"--commit-every", "often"},
      {"--commit-every", "0"},
      {"--commit-every", "0MB"},
      {"--memory", "lots"},
      {"--memory", "16383kB"},
      {"--reject-limit", "-1"},
      {"--lock-timeout", "0"},
      {"--connect-timeout", "0"},
      {"--on-key-mismatch", "ignore"},
      {"--progress", "loud"},
      {"--table", ""},
      {"--partitions", "-5"},
  };
  for (const Words& words : cases) {
    Words all = {"copy"};
    all.insert(all.end(), words.begin(), words.end());
    const Error error = refusal_of(all);
    EXPECT_EQ(error.consequence, Consequence::refuse);
    EXPECT_EQ(error.code, "usage");
    EXPECT_THAT(error.message, StartsWith(words[0] + " "));
  }
}

TEST(Arguments, OptionsOfOtherLayoutsAreRefusedByName) {
  const struct {
    Words words;
    std::string names;
    std::string hint;
  } cases[] = {
      {{"--partition-by", "HASH (a)", "--key", "a % 4"}, "--key ", "leave one"},
      {{"--partition-by", "none", "--key-mode", "check"}, "--key-mode ", "leave one"},
      {{"--partition-by", "LIST (a)", "--key-column", "k"}, "--key-column ", "leave one"},
      {{"--partition-by", "RANGE (a)", "--interval", "5", "--partitions", "9"},
       "--partitions ",
       "--interval"},
      {{"--partition-by", "LIST (a)", "--partitions", "9"}, "--partitions ", "leave it out"},
      {{"--partition-by", "none", "--partitions", "9"}, "--partitions ", "leave it out"},
      {{"--interval", "5"}, "--interval ", "RANGE (column)"},
      {{"--partition-by", "HASH (a)", "--interval", "5"}, "--interval ", "RANGE (column)"},
      {{"--partition-by", "HASH (a)", "--from", "5"}, "--from ", "RANGE (column)"},
      {{"--ahead", "3"}, "--ahead ", "RANGE (column)"},
      {{"--partition-by", "none", "--default-partition"}, "--default-partition ", "RANGE"},
      {{"--partition-by", "RANGE (now())"}, "--partition-by ", "--key takes an expression"},
      {{"--partition-by", "HASH ()"}, "--partition-by ", "HASH (column, ...)"},
      {{"--partition-by", "LIST (a, b)"}, "--partition-by ", "LIST (column)"},
      {{"--partition-by", "ROUND (a)"}, "--partition-by ", "none"},
  };
  for (const auto& each : cases) {
    const Error error = copy_refusal(each.words);
    EXPECT_EQ(error.code, "usage");
    EXPECT_THAT(error.message + error.where,
                HasSubstr(each.names.substr(0, each.names.size() - 1)));
    EXPECT_THAT(error.hint, HasSubstr(each.hint)) << error.message;
  }
  EXPECT_EQ(copy_of({"--partition-by", "hash (\"A,b\", c)", "--partitions", "9"}).job.layout.by,
            "hash (\"A,b\", c)");
}

TEST(Arguments, TheLeastMemoryIsAccepted) {
  EXPECT_EQ(copy_of({"--memory", "16MiB"}).job.memory_bytes, 16ULL << 20U);
}

TEST(Arguments, CommitsAreByLeafBytesOrRows) {
  using Unit = CommitEvery::Unit;
  const auto wish = [](const char* value) {
    return copy_of({"--commit-every", value}).job.commit_every;
  };
  EXPECT_EQ(copy_of({}).job.commit_every.unit, Unit::automatic);
  EXPECT_EQ(wish("leaf").unit, Unit::leaf);
  EXPECT_EQ(wish("auto").unit, Unit::automatic);
  EXPECT_EQ(wish("64MB").unit, Unit::bytes);
  EXPECT_EQ(wish("64MB").amount, 64ULL << 20U);
  EXPECT_EQ(wish("100000").unit, Unit::rows);
  EXPECT_EQ(wish("100000").amount, 100000U);
}

TEST(Arguments, AMissingValueIsNamed) {
  EXPECT_THAT(refusal_of({"copy", "--table"}).message, StartsWith("--table needs a value"));
  EXPECT_THAT(refusal_of({"copy", "--table", "--into", "x"}).message,
              StartsWith("--table needs a value"));
  EXPECT_THAT(refusal_of({"copy", "--table=", "--into", "x"}).message,
              StartsWith("--table must not be empty"));
}

TEST(Arguments, AnEmptySourceIsLibpqsEnvironment) {
  EXPECT_EQ(copy_of({"--source", ""}).job.source_dsn, "");
  EXPECT_EQ(copy_of({"--source=", "--into", "x"}).job.into, "x");
}

TEST(Arguments, OptionsThatTakeOneValueAreGivenOnce) {
  EXPECT_EQ(copy_refusal({"--table", "u"}).message, "--table is given twice");
  EXPECT_TRUE(copy_of({"--json", "--json"}).json);
}

TEST(Arguments, AFlagTakesNoValue) {
  EXPECT_THAT(copy_refusal({"--json=no"}).message, HasSubstr("json"));
}

TEST(Arguments, TheTableIsRequired) {
  EXPECT_THAT(refusal_of({"copy"}).message, HasSubstr("--table"));
  EXPECT_THAT(refusal_of({"key", "--value", "x"}).message, HasSubstr("--table"));
}

TEST(Arguments, RestartAndAppendExcludeEachOther) {
  EXPECT_THAT(copy_refusal({"--restart", "--append"}).message, HasSubstr("--append"));
}

TEST(Arguments, AnUnknownOptionIsAnsweredWithTheNearest) {
  const Error error = refusal_of({"copy", "--tabel", "t"});
  EXPECT_EQ(error.message, "copy has no option --tabel");
  EXPECT_EQ(error.hint, "did you mean --table?");
  EXPECT_THAT(copy_refusal({"--frobnicate"}).hint, HasSubstr("pgfanout copy --help"));
  EXPECT_THAT(copy_refusal({"--value", "x"}).message, HasSubstr("copy has no option --value"));
}

TEST(Arguments, AnUnknownCommandIsAnsweredWithAllAndTheNearest) {
  const Error error = refusal_of({"cpoy", "--table", "t"});
  EXPECT_THAT(error.message,
              AllOf(HasSubstr("'cpoy'"),
                    HasSubstr("plan, run, copy, verify, queries, swap, rollback, cleanup, "
                              "status, key, bench")));
  EXPECT_EQ(error.hint, "did you mean copy?");
  EXPECT_THAT(refusal_of({"bnech"}).hint, HasSubstr("bench"));
  EXPECT_THAT(refusal_of({}).message, HasSubstr("name a command"));
  EXPECT_THAT(refusal_of({"--table", "t", "copy"}).message, HasSubstr("command comes first"));
}

TEST(Arguments, VerifyHasOneScopeAndRepairsOnlyWhatItHasRead) {
  const auto scope_of = [](Words more) {
    Words words = {"verify", "--table", "t"};
    words.insert(words.end(), more.begin(), more.end());
    return verify_of(words);
  };
  EXPECT_EQ(scope_of({}).scope, std::nullopt);
  EXPECT_EQ(scope_of({"--quick"}).scope, VerifyScope::quick);
  EXPECT_EQ(scope_of({"--data", "--max-differences", "7"}).max_differences, 7U);
  EXPECT_TRUE(scope_of({"--repair"}).repair);
  EXPECT_THAT(refusal_of({"verify", "--table", "t", "--quick", "--data"}).message,
              HasSubstr("only one of"));
  EXPECT_THAT(refusal_of({"verify", "--table", "t", "--quick", "--repair"}).hint,
              HasSubstr("--data"));
  EXPECT_THAT(refusal_of({"verify"}).message, HasSubstr("--table"));
  EXPECT_TRUE(verify_of({"verify", "--install-views"}).install_views);
}

TEST(Arguments, APasswordIsRefusedAndNeverRepeated) {
  const std::string uri = "postgresql://bob:hunter2@db/app";
  const Words cases[] = {
      {"copy", "--table", "t", "--source", uri},
      {"copy", "--table", "t", "--source=" + uri},
      {"copy", "--table", "t", "--target", uri},
      {"copy", "--table", "t", "--source", "host=db password=hunter2"},
      {"copy", "--table", "t", "--target", "host=db password='hunter2"},
      {"copy", "--table", "t", "--source", "host=db", "password=hunter2"},
      {"copy", "--table", "t", "--password", "hunter2"},
      {"copy", "--table", "t", "--password=hunter2"},
      {"copy", "--table", "t", "--pasword=hunter2"},
      {"copy", "--table", "t", "-phunter2"},
      {"copy", "--table", "t", uri},
      {"copy", "--table", "t", "--source", "host=db", "--source", uri},
      {"key", "--table", "t", "--value", "1", "--source", uri},
      {uri},
      {"copy=" + uri},
  };
  for (const Words& words : cases) {
    const Error error = refusal_of(words);
    EXPECT_EQ(error.consequence, Consequence::refuse);
    EXPECT_THAT(error.message + error.where + error.hint, Not(HasSubstr("hunter2")));
  }
}

TEST(Arguments, APasswordIsSentToItsPlace) {
  const Error error = copy_refusal({"--source", "postgresql://bob:hunter2@db/app"});
  EXPECT_EQ(error.code, "password-in-dsn");
  EXPECT_THAT(error.message, StartsWith("--source carries a password"));
  EXPECT_THAT(error.hint, HasSubstr("PGPASSFILE"));
  EXPECT_THAT(copy_refusal({"--password", "x"}).hint, HasSubstr("PGPASSFILE"));
}

TEST(Arguments, KeyTakesItsQuestionAndTheSharedOptions) {
  const auto parsed = parse_arguments(Words{"key", "--table", "t", "--value", "-5", "--value={}",
                                            "--value", "a=[b,c]", "--value=--x", "--check", "1000",
                                            "--seed", "9", "--partitions", "8"});
  ASSERT_TRUE(parsed) << parsed.error().message;
  const auto& call = std::get<Invocation>(*parsed);
  EXPECT_EQ(call.command, "key");
  EXPECT_THAT(call.key.values, ElementsAre("-5", "{}", "a=[b,c]", "--x"));
  EXPECT_EQ(call.key.check, 1000U);
  EXPECT_EQ(call.key.seed, 9U);
  EXPECT_EQ(call.job.partitions, 8U);
}

TEST(Arguments, KeyRefusesBadQuestions) {
  EXPECT_THAT(refusal_of({"key", "--table", "t"}).hint, HasSubstr("--check"));
  EXPECT_THAT(refusal_of({"key", "--table", "t", "--check", "0"}).message, StartsWith("--check "));
  EXPECT_THAT(refusal_of({"key", "--table", "t", "--value", "x", "--seed", "-1"}).message,
              StartsWith("--seed "));
}

TEST(Arguments, AnEmptyValueIsAQuestionToo) {
  const auto parsed = parse_arguments(Words{"key", "--table", "t", "--value", ""});
  ASSERT_TRUE(parsed);
  EXPECT_THAT(std::get<Invocation>(*parsed).key.values, ElementsAre(""));
}

TEST(Arguments, HelpTeachesWithExamples) {
  EXPECT_THAT(information_of({"--help"}),
              AllOf(HasSubstr("pgfanout plan "), HasSubstr("pgfanout run "),
                    HasSubstr("pgfanout verify "), HasSubstr("Exit codes")));
  EXPECT_EQ(information_of({"-h"}), information_of({"--help"}));
  for (const CommandSpec& command : commands()) {
    const std::string page = information_of({std::string(command.name), "--help"});
    EXPECT_THAT(page, AllOf(HasSubstr("Examples:"), HasSubstr("--table"), HasSubstr("--json")));
    EXPECT_EQ(information_of({std::string(command.name), "-h", "--table", "t"}), page);
  }
}

TEST(Arguments, HelpFitsIntoAHundredColumns) {
  std::string line;
  std::string pages = information_of({"--help"});
  for (const CommandSpec& command : commands()) {
    pages += information_of({std::string(command.name), "--help"});
  }
  for (const char c : pages) {
    if (c != '\n') {
      line += c;
      continue;
    }
    EXPECT_LE(line.size(), 100U) << line;
    line.clear();
  }
}

TEST(Arguments, VersionNamesWhatItIsBuiltFrom) {
  EXPECT_THAT(information_of({"--version"}),
              AllOf(StartsWith("pgfanout "), HasSubstr("\ncompiler: "), HasSubstr("\nlibpq: ")));
}

TEST(Arguments, JsonAndCommandAreSeenInWordsThatCannotBeParsed) {
  EXPECT_TRUE(wants_json(Words{"copy", "--nonsense", "--json"}));
  EXPECT_FALSE(wants_json(Words{"copy", "--jso"}));
  EXPECT_EQ(command_of(Words{"copy", "--nonsense"}), "copy");
  EXPECT_EQ(command_of(Words{"cpoy"}), "");
  EXPECT_EQ(command_of(Words{}), "");
}

}  // namespace
}  // namespace pgfanout

// Job files: every setting reaches its field, the command line wins, and what is wrong is named
// with its place. No message repeats a password.
#include "copier/cli/job_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "copier/cli/arguments.h"
#include "copier/cli/commands.h"
#include "copier/cli/options.h"

namespace pgfanout {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::StartsWith;
using Words = std::vector<std::string>;

const std::string example = std::string(PGFANOUT_SOURCE_DIR) + "/docs/job.example.toml";

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

Invocation read(std::string_view text) {
  Invocation invocation;
  const auto done = apply_job_text(text, "job.toml", invocation);
  EXPECT_TRUE(done) << (done ? "" : done.error().where + ": " + done.error().message);
  return invocation;
}

Error refusal_of(std::string_view text) {
  Invocation invocation;
  const auto done = apply_job_text(text, "job.toml", invocation);
  EXPECT_FALSE(done) << text;
  if (done) return {};
  EXPECT_EQ(done.error().consequence, Consequence::refuse);
  return done.error();
}

/// "where: message (hint)".
std::string told(std::string_view text) {
  const Error error = refusal_of(text);
  return error.where + ": " + error.message + (error.hint.empty() ? "" : " (" + error.hint + ")");
}

/// A file in a folder of its own that is gone with it.
class FileOf {
 public:
  explicit FileOf(const std::string& text, const std::string& name = "job.toml") {
    char folder[] = "/tmp/pgfanout_job_XXXXXX";
    folder_ = mkdtemp(folder);
    path_ = folder_ + "/" + name;
    std::ofstream(path_, std::ios::binary) << text;
  }
  ~FileOf() {
    chmod(path_.c_str(), 0600);
    unlink(path_.c_str());
    rmdir(folder_.c_str());
  }
  FileOf(const FileOf&) = delete;
  FileOf& operator=(const FileOf&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::string path_;
};

Invocation call_of(const Words& words) {
  auto parsed = parse_arguments(words);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().where + ": " + parsed.error().message);
  return parsed ? std::get<Invocation>(*parsed) : Invocation{};
}

Error call_refusal(const Words& words) {
  const auto parsed = parse_arguments(words);
  EXPECT_FALSE(parsed);
  return parsed ? Error{} : parsed.error();
}

TEST(JobFileExample, TablesAndKey) {
  const JobDescription job = read(text_of(example)).job;
  EXPECT_EQ(job.source_dsn, "service=prod");
  EXPECT_EQ(job.target_dsn, "service=prod");
  EXPECT_EQ(job.table, "public.chunks");
  EXPECT_EQ(job.into, "public.chunks_new");
  EXPECT_EQ(job.key, "abs(hashtext(collection_id::text)) % 100");
  EXPECT_EQ(job.key_column, "partition_key");
  EXPECT_EQ(job.partitions, 100U);
  EXPECT_EQ(job.key_mode, KeyMode::check);
  EXPECT_EQ(job.on_key_mismatch, KeyMismatchPolicy::fail);
  EXPECT_THAT(job.skip, ElementsAre("scratch"));
  ASSERT_EQ(job.map.size(), 4U);
  EXPECT_EQ(job.map[0].column, "id");
  EXPECT_EQ(job.map[0].sql, "nextval('public.chunks_id_seq')");
  EXPECT_EQ(job.map[1].column, "legacy_id");
  EXPECT_EQ(job.map[1].sql, "id");
  EXPECT_EQ(job.map[2].column, "metadata");
  EXPECT_EQ(job.map[2].sql, "coalesce(metadata, meta::jsonb, '{}'::jsonb)");
  EXPECT_EQ(job.map[3].column, "updated_at");
  EXPECT_EQ(job.map[3].sql, "created_at");
  EXPECT_EQ(job.target.leaf_name, "{table}_p{key:02}");
  ASSERT_EQ(job.target.indexes.size(), 2U);
  EXPECT_EQ(job.target.indexes[0],
            "CREATE INDEX chunks_metadata ON {table} USING gin (metadata jsonb_path_ops)");
  ASSERT_EQ(job.target.columns.size(), 1U);
  EXPECT_EQ(job.target.columns[0].name, "metadata");
  EXPECT_TRUE(job.target.columns[0].is_not_null);
  EXPECT_EQ(job.target.columns[0].default_sql, "'{}'");
  ASSERT_EQ(job.target.sequences.size(), 1U);
  EXPECT_EQ(job.target.sequences[0].name, "chunks_id_seq");
  EXPECT_EQ(job.target.sequences[0].owned_by, "id");
  EXPECT_EQ(job.target.sequences[0].type, "bigint");
  EXPECT_EQ(job.target.sequences[0].increment, 1);
  EXPECT_TRUE(job.fence);
  EXPECT_FALSE(job.assume_quiet || job.append || job.restart || job.dry_run);
}

TEST(JobFileExample, LimitsAndOutput) {
  const Invocation call = read(text_of(example));
  const JobDescription& job = call.job;
  EXPECT_FALSE(job.readers);
  EXPECT_EQ(job.writers, 100U);
  EXPECT_EQ(job.memory_bytes, 256ULL << 20U);
  EXPECT_EQ(job.reject_limit.percent, 0.1);
  EXPECT_EQ(job.lock_timeout, std::chrono::seconds(5));
  EXPECT_EQ(job.connect_timeout, std::chrono::seconds(10));
  EXPECT_EQ(job.stall_timeout, std::chrono::seconds(60));
  EXPECT_EQ(job.verify.scope, VerifyScope::full);
  EXPECT_EQ(job.verify.max_differences, 10'000U);
  EXPECT_FALSE(call.json);
  EXPECT_EQ(call.progress, ProgressMode::automatic);
}

TEST(JobFileExample, Window) {
  const WindowRequest window = read(text_of(example)).job.window;
  EXPECT_TRUE(window.swap);
  EXPECT_THAT(window.confirm_at, ElementsAre("verify"));
  EXPECT_TRUE(window.confirmed.empty());
  EXPECT_THAT(window.accept, ElementsAre("foreign key public.notes.notes_chunk_fkey"));
  EXPECT_EQ(window.index_jobs, 4U);
  EXPECT_EQ(window.maintenance_work_bytes, 1ULL << 30U);
  EXPECT_EQ(window.swap_lock_timeout, std::chrono::milliseconds(500));
  EXPECT_EQ(window.swap_within, std::chrono::seconds(600));
  EXPECT_FALSE(window.end_blockers || window.force || window.keep_new_rows || window.release);
  EXPECT_EQ(window.retention_days, 14U);
  EXPECT_THAT(window.views,
              ElementsAre(Pair("public.collection_chunking_stats",
                               "SELECT collection_id, count(*) AS chunks, max(updated_at) AS "
                               "newest\nFROM {table}\nGROUP BY collection_id")));
  ASSERT_EQ(window.queries.size(), 3U);
  const QueryCheck& query = window.queries[0];
  EXPECT_EQ(query.name, "chunks of a collection");
  EXPECT_THAT(query.sql, StartsWith("SELECT id, content FROM {table} WHERE collection_id"));
  EXPECT_THAT(query.target_sql, StartsWith("SELECT legacy_id, content FROM {table}\nWHERE"));
  EXPECT_EQ(query.max_partitions, 1U);
  EXPECT_EQ(query.max_ratio, 1.5);
  EXPECT_EQ(query.max_p50, 5.0);
  EXPECT_EQ(query.max_p95, 20.0);
  EXPECT_EQ(query.max_p99, 50.0);
  EXPECT_EQ(query.runs, 20U);
  EXPECT_EQ(query.compare, QueryComparison::set);
  EXPECT_EQ(query.severity, Severity::error);
  EXPECT_THAT(window.queries[2].params, ElementsAre("7d444840-9dc0-11d1-b245-5ffdce74fad2", "10"));
  EXPECT_EQ(window.statements, 10U);
  EXPECT_EQ(window.queries[1].name, "all chunks");
  EXPECT_EQ(window.queries[1].target_sql, "");
  EXPECT_FALSE(window.queries[1].max_partitions || window.queries[1].max_ratio);
  EXPECT_EQ(window.queries[1].runs, 5U);
  const VerifyRequest verify = read(text_of(example)).job.verify;
  ASSERT_EQ(verify.rules.size(), 2U);
  EXPECT_EQ(verify.rules[0].name, "known languages");
  EXPECT_THAT(verify.rules[0].check, StartsWith("metadata->>'lang'"));
  EXPECT_EQ(verify.rules[0].severity, Severity::warning);
  EXPECT_EQ(verify.rules[1].check, "");
  EXPECT_THAT(verify.rules[1].sql, StartsWith("SELECT id FROM {table} c"));
  EXPECT_EQ(verify.rules[1].severity, Severity::error);
}

TEST(JobFileExample, LayoutInItsComments) {
  std::istringstream lines(text_of(example));
  std::string text = "[target]\n";
  for (std::string line; std::getline(lines, line);) {
    for (const char* name : {"partition_by", "interval", "from", "ahead", "default_partition"}) {
      if (line.starts_with("# " + std::string(name) + " = ")) text += line.substr(2) + "\n";
    }
  }
  const LayoutRequest layout = read(text).job.layout;
  EXPECT_EQ(layout.by, "RANGE (created_at)");
  EXPECT_EQ(layout.interval, "1 month");
  EXPECT_EQ(layout.from, "2020-01-01");
  EXPECT_EQ(layout.ahead, 3U);
  EXPECT_TRUE(layout.default_partition);
}

/// A setting that the example does not show would never be found.
TEST(JobFileExample, HasEverySetting) {
  std::set<std::string> shown;
  std::string table;
  std::istringstream lines(text_of(example));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('[')) table = line.substr(1, line.find(']') - 1) + ".";
    // Settings that exclude others are comments.
    if (line.starts_with("# ")) line.erase(0, 2);
    const std::size_t equals = line.find(" = ");
    if (equals != std::string::npos) shown.insert(table + line.substr(0, equals));
    if (line.starts_with('[')) shown.insert(table.substr(0, table.size() - 1));
  }
  for (const OptionSpec& setting : job_file_settings()) {
    EXPECT_TRUE(shown.contains(std::string(setting.job_key))) << setting.job_key;
  }
}

TEST(JobFile, EveryOptionHasANameInItOrBelongsToOneCallAlone) {
  const std::set<std::string_view> of_one_call = {
      "--restart",       "--dry-run",       "--yes",    "--confirm", "--release", "--force",
      "--save-new-rows", "--keep-new-rows", "--quick",  "--data",    "--schema",  "--full",
      "--repair",        "--install-views", "--value",  "--check",   "--seed",    "--watch",
      "--baseline",      "--earlier",       "--advise", "--add-to"};
  std::set<std::string_view> seen;
  for (const CommandSpec& command : commands()) {
    for (const OptionSpec& option : options_of(command.name)) {
      EXPECT_NE(option.job_key.empty(), !of_one_call.contains(option.name)) << option.name;
      if (option.job_key.empty()) seen.insert(option.name);
    }
  }
  EXPECT_EQ(seen, of_one_call);
}

TEST(JobFile, OneNameMeansOneOption) {
  std::set<std::pair<std::string_view, std::string_view>> pairs;
  std::set<std::string_view> keys;
  for (const CommandSpec& command : commands()) {
    for (const OptionSpec& option : options_of(command.name)) {
      if (option.job_key.empty()) continue;
      pairs.insert({option.job_key, option.name});
      keys.insert(option.job_key);
    }
  }
  EXPECT_EQ(pairs.size(), keys.size());
  EXPECT_EQ(job_file_settings().size(), keys.size() + own_options("file").size());
}

TEST(JobFile, EverySettingTakesAValue) {
  const Invocation call = read(R"(
skip = ["a", "b"]
accept = ["trigger x", "rule y z"]
source = { dsn = "host=a", table = "t", fence = false, assume_quiet = true }
target.dsn = "postgresql://c/d"
target.into = "u"
target.partitions = 7
target.append = true
[key]
expression = "x"
column = "k"
mode = "generated"
on_mismatch = "fix"
[map]
z = "1"
a = "2"
password = "crypt"
[rollback.map]
a = "z || 'x'"
[limits]
readers = 3
writers = "auto"
memory = 67108864
reject_limit = 12
commit_every = "leaf"
lock_timeout = 250
connect_timeout = 3
stall_timeout = 0
index_jobs = "auto"
maintenance_work_mem = "64MB"
[gates]
copy = "confirm"
preflight = "confirm"
index = "auto"
[swap]
after_verify = false
lock_timeout = 700
within = 30
end_blockers = true
[backup]
retention_days = 0
[verify]
scope = "data"
max_differences = 5
[output]
json = true
progress = "none"
)");
  const JobDescription& job = call.job;
  EXPECT_THAT(job.skip, ElementsAre("a", "b"));
  EXPECT_EQ(job.source_dsn, "host=a");
  EXPECT_EQ(job.table, "t");
  EXPECT_FALSE(job.fence);
  EXPECT_TRUE(job.assume_quiet && job.append);
  EXPECT_EQ(job.target_dsn, "postgresql://c/d");
  EXPECT_EQ(job.into, "u");
  EXPECT_EQ(job.partitions, 7U);
  EXPECT_EQ(job.key, "x");
  EXPECT_EQ(job.key_column, "k");
  EXPECT_EQ(job.key_mode, KeyMode::generated);
  EXPECT_EQ(job.on_key_mismatch, KeyMismatchPolicy::fix);
  ASSERT_EQ(job.map.size(), 3U);
  EXPECT_EQ(job.map[0].column + job.map[1].column + job.map[2].column, "zapassword");
  ASSERT_EQ(job.window.rollback_map.size(), 1U);
  EXPECT_EQ(job.window.rollback_map[0].column + job.window.rollback_map[0].sql, "az || 'x'");
  EXPECT_EQ(job.readers, 3U);
  EXPECT_FALSE(job.writers);
  EXPECT_EQ(job.memory_bytes, 64ULL << 20U);
  EXPECT_EQ(job.reject_limit.rows, 12U);
  EXPECT_EQ(job.lock_timeout, std::chrono::milliseconds(250));
  EXPECT_EQ(job.connect_timeout, std::chrono::seconds(3));
  EXPECT_EQ(job.stall_timeout, std::chrono::seconds(0));
  EXPECT_FALSE(job.window.index_jobs);
  EXPECT_EQ(job.window.maintenance_work_bytes, 64ULL << 20U);
  EXPECT_THAT(job.window.confirm_at, ElementsAre("copy", "preflight"));
  EXPECT_THAT(job.window.accept, ElementsAre("trigger x", "rule y z"));
  EXPECT_FALSE(job.window.swap);
  EXPECT_TRUE(job.window.end_blockers);
  EXPECT_EQ(job.window.swap_lock_timeout, std::chrono::milliseconds(700));
  EXPECT_EQ(job.window.swap_within, std::chrono::seconds(30));
  EXPECT_EQ(job.window.retention_days, 0U);
  EXPECT_EQ(job.verify.scope, VerifyScope::data);
  EXPECT_EQ(job.verify.max_differences, 5U);
  EXPECT_TRUE(call.json);
  EXPECT_EQ(call.progress, ProgressMode::none);
}

TEST(JobFile, AnEmptyOneChangesNothing) {
  const Invocation call = read("");
  EXPECT_FALSE(call.job.partitions) << "as in an existing target, or 100";
  EXPECT_EQ(call.job.window.retention_days, 7U);
  EXPECT_EQ(read("# nothing\n\n[source]\n").job.table, "");
}

TEST(JobFile, ThresholdsAndHooks) {
  const Invocation call = read(
      "[watch]\nprofile = \"polite\"\nstop_at_deadline = true\n[thresholds]\n"
      "cpu = \"70%:pause\"\ndisk_free = \"off\"\n[hooks]\ngate = \"/bin/tell a=b\"\n");
  EXPECT_EQ(call.job.watch.profile, WatchProfile::polite);
  EXPECT_TRUE(call.job.watch.stop_at_deadline);
  ASSERT_EQ(call.job.watch.thresholds.size(), 2U);
  EXPECT_EQ(call.job.watch.thresholds[0].measure, Measure::cpu);
  EXPECT_EQ(call.job.watch.thresholds[0].limit, 70);
  EXPECT_EQ(call.job.watch.thresholds[0].action, WatchAction::pause);
  EXPECT_EQ(call.job.watch.thresholds[1].action, WatchAction::off);
  ASSERT_EQ(call.output.hooks.size(), 1U);
  EXPECT_EQ(call.output.hooks[0].event, "gate");
  EXPECT_EQ(call.output.hooks[0].command, "/bin/tell a=b");
}

TEST(JobFile, WrongThresholdsAndHooksAreNamedWithTheirPlace) {
  EXPECT_THAT(told("[thresholds]\ncpu = \"80GB\"\n"), StartsWith("job.toml:2:7: "));
  EXPECT_THAT(told("[thresholds]\ndisk = \"1GB\"\n"), StartsWith("job.toml:2:"));
  EXPECT_THAT(told("[thresholds]\ncpu = true\n"), StartsWith("job.toml:2:7: "));
  EXPECT_THAT(told("[hooks]\nended = \"x\"\n"), StartsWith("job.toml:2:"));
  EXPECT_THAT(told("[watch]\nfinish_by = \"25:00\"\n"), HasSubstr("a time of day such as 04:00"));
}

TEST(JobFile, UnknownNamesAreErrorsWithTheirPlaceAndTheNearest) {
  EXPECT_EQ(told("[source]\ntable = \"t\"\n\n[limits]\n  memroy = \"1GB\"\n"),
            "job.toml:5:3: [limits] has no memroy (did you mean memory?)");
  EXPECT_EQ(told("[sorce]\ntable = \"t\"\n"),
            "job.toml:1:2: a job file has no sorce (did you mean source?)");
  EXPECT_EQ(told("table = \"t\"\n"),
            "job.toml:1:1: a job file has no table (it belongs to [source])");
  EXPECT_EQ(told("[backup]\nxyz = 1\n"),
            "job.toml:2:1: [backup] has no xyz (known are retention_days)");
  EXPECT_EQ(told("xyz = 1\n"),
            "job.toml:1:1: a job file has no xyz (known are source, target, key, map, skip, "
            "limits, verify, output, watch, thresholds, hooks, swap, accept, backup, "
            "queries_from, rollback, gates, views, queries, rules)");
  EXPECT_EQ(told("[gates]\nverfy = \"confirm\"\n"),
            "job.toml:2:1: there is no stage verfy (did you mean verify?)");
  EXPECT_EQ(told("[[queries]]\nname = \"q\"\nsqll = \"x\"\n"),
            "job.toml:3:1: queries has no key sqll (did you mean sql?)");
  EXPECT_EQ(told("[verify.scope]\n"),
            "job.toml:1:1: verify.scope must be a string in quotes, not a table");
}

TEST(JobFile, WrongTypesAreErrorsThatSayWhatIsWanted) {
  EXPECT_EQ(told("[target]\npartitions = \"100\"\n"),
            "job.toml:2:14: target.partitions must be a whole number without quotes, not a string");
  EXPECT_EQ(told("[target]\npartitions = 1.5\n"),
            "job.toml:2:14: target.partitions must be a whole number without quotes, not a number "
            "with a fraction");
  EXPECT_EQ(told("[source]\ntable = 5\n"),
            "job.toml:2:9: source.table must be a string in quotes, not a whole number");
  EXPECT_EQ(told("[swap]\nend_blockers = \"yes\"\n"),
            "job.toml:2:16: swap.end_blockers must be true or false, not a string");
  EXPECT_EQ(told("skip = \"a\"\n"),
            "job.toml:1:8: skip must be a list of strings: [\"...\", \"...\"], not a string");
  EXPECT_EQ(told("skip = [\"a\", 1]\n"),
            "job.toml:1:8: skip must be a list of strings: [\"...\", \"...\"], not a list");
  EXPECT_EQ(told("source = \"t\"\n"),
            "job.toml:1:10: source must be a table, not a string (write [source], and its settings "
            "below)");
  EXPECT_EQ(
      told("[limits]\nmemory = 1979-05-27\n"),
      "job.toml:2:10: limits.memory must be a whole number, or a string in quotes, not a date "
      "or time");
  EXPECT_THAT(told("map = 1\n"), HasSubstr("map must be a table, not a whole number"));
  EXPECT_THAT(told("[map]\na = 1\n"), HasSubstr("job.toml:2:5: a must be a string, not a whole"));
  EXPECT_THAT(told("[map]\na = \" \"\n"), HasSubstr("a must not be empty"));
  EXPECT_THAT(told("[rollback.map]\na = 1\n"), HasSubstr("job.toml:2:5: a must be a string"));
  EXPECT_THAT(told("[rollback]\nmaps = {}\n"), HasSubstr("[rollback] has no maps"));
  EXPECT_THAT(told("[gates]\ncopy = true\n"), HasSubstr("copy must be a string, not true or"));
  EXPECT_THAT(told("[gates]\ncopy = \"wait\"\n"),
              HasSubstr("gates.copy must be auto or confirm, not 'wait'"));
  EXPECT_THAT(told("[views]\npublic.v = \"SELECT\"\n"), HasSubstr("needs quotes"));
  EXPECT_THAT(told("queries = [1]\n"), HasSubstr("[[queries]]"));
  EXPECT_THAT(told("rules = [1]\n"), HasSubstr("[[rules]]"));
  EXPECT_THAT(told("[[rules]]\nname = \"r\"\n"), HasSubstr("needs either sql or check"));
  EXPECT_THAT(told("[[rules]]\nname = \"r\"\nsql = \"SELECT 1 FROM {table}\"\ncheck = \"x\"\n"),
              HasSubstr("needs either sql or check"));
  EXPECT_THAT(told("[[rules]]\nsql = \"SELECT 1\"\n"), HasSubstr("must name the table as {table}"));
  EXPECT_THAT(told("[[rules]]\nseverity = \"info\"\n"), HasSubstr("warning, error or critical"));
  EXPECT_THAT(told("[[rules]]\nchek = \"x\"\n"), HasSubstr("did you mean check?"));
  EXPECT_THAT(told("[[rules]]\ncheck = \"x\"\n"), HasSubstr("a rule needs a name"));
}

TEST(JobFile, WrongValuesAreErrorsInTheFilesWords) {
  EXPECT_EQ(told("[limits]\nmemory = \"lots\"\n"),
            "job.toml:2:10: limits.memory must be a size such as 256MB or 1.5GB, not 'lots'");
  EXPECT_EQ(told("[target]\npartitions = 0\n"),
            "job.toml:2:14: target.partitions must be a whole number from 1 to 10000, not '0'");
  EXPECT_EQ(told("[source]\ntable = \"\"\n"), "job.toml:2:9: source.table must not be empty");
  EXPECT_EQ(told("[verify]\nscope = \"all\"\n"),
            "job.toml:2:9: verify.scope must be quick, data, schema or full, not 'all'");
  EXPECT_EQ(told("accept = [\"trigger a\", \"trigger\"]\n"),
            "job.toml:1:24: accept must be KIND NAME, as the plan prints it, not 'trigger'");
  EXPECT_EQ(refusal_of("[target]\npartitions = 0\n").code, "job-file");
}

TEST(JobFile, QueriesAreChecked) {
  EXPECT_THAT(told("[[queries]]\nsql = \"SELECT 1 FROM {table}\"\n"),
              HasSubstr("job.toml:1:1: a query needs a name"));
  EXPECT_THAT(told("[[queries]]\nname = \"q\"\n"), HasSubstr("the query 'q' needs sql"));
  EXPECT_THAT(told("[[queries]]\nname = \"q\"\nsql = \"SELECT 1\"\n"),
              HasSubstr("sql must name the table as {table}"));
  const std::string query = "[[queries]]\nname = \"q\"\nsql = \"SELECT 1 FROM {table}\"\n";
  EXPECT_THAT(told(query + query), HasSubstr("job.toml:4:1: two queries are called 'q'"));
  EXPECT_THAT(told(query + "max_ratio = 0\n"), HasSubstr("above 0"));
  EXPECT_THAT(told(query + "max_ratio = nan\n"), HasSubstr("above 0"));
  EXPECT_THAT(told(query + "max_ratio = inf\n"), HasSubstr("above 0"));
  EXPECT_THAT(told(query + "max_ratio = \"2\"\n"), HasSubstr("above 0"));
  EXPECT_THAT(told(query + "runs = 0\n"), HasSubstr("runs must be a whole number from 1 to 1000"));
  EXPECT_THAT(told(query + "runs = 1.0\n"), HasSubstr("runs must be a whole number, not"));
  EXPECT_EQ(read(query + "max_ratio = 2\n").job.window.queries.at(0).max_ratio, 2);
  EXPECT_THAT(told(query + "max_p95_ms = -1\n"), HasSubstr("max_p95_ms must be a number above 0"));
  EXPECT_THAT(told(query + "compare = \"row\"\n"),
              HasSubstr("compare must be one of rows, set, count, none"));
  EXPECT_THAT(told(query + "severity = \"info\"\n"),
              HasSubstr("severity must be one of warning, error, critical"));
  EXPECT_THAT(told(query + "severity = 1\n"), HasSubstr("severity must be"));
  EXPECT_THAT(told(query + "params = 7\n"), HasSubstr("params must be"));
  EXPECT_THAT(told(query + "params = [[7]]\n"), HasSubstr("params must be texts, numbers"));
  EXPECT_THAT(told(query + "parms = [7]\n"), HasSubstr("params"));
  const QueryCheck given =
      read(query + "compare = \"rows\"\nseverity = \"critical\"\nparams = [\"a\", 7, true, 1.5]\n")
          .job.window.queries.at(0);
  EXPECT_EQ(given.compare, QueryComparison::rows);
  EXPECT_EQ(given.severity, Severity::critical);
  EXPECT_THAT(given.params, ElementsAre("a", "7", "true", "1.5"));
}

TEST(JobFile, WhatTheTargetHasOfItsOwnIsChecked) {
  EXPECT_THAT(told("target.indexes = 1\n"), HasSubstr("must be a list of tables"));
  EXPECT_THAT(told("[[target.indexes]]\n"),
              HasSubstr("job.toml:1:1: an index needs its definition"));
  EXPECT_THAT(told("[[target.indexes]]\ndefinition = \"CREATE INDEX i ON t (a)\"\n"),
              HasSubstr("job.toml:2:14: the index i must be ON {table}"));
  EXPECT_THAT(told("[[target.indexes]]\ndefinitions = \"x\"\n"),
              HasSubstr("[[target.indexes]] has no key definitions (did you mean definition?"));
  EXPECT_THAT(told("[target.columns]\na = 1\n"), HasSubstr("must be a table"));
  EXPECT_THAT(told("[target.columns.a]\nnot_null = \"yes\"\n"),
              HasSubstr("not_null must be true or false, not a string"));
  EXPECT_THAT(told("[target.columns.a]\ndefault = \" \"\n"), HasSubstr("must not be empty"));
  EXPECT_THAT(told("[target.sequences.s]\nstart = 5\n"),
              HasSubstr("the sequence s needs a column that owns it (write owned_by = \"id\")"));
  EXPECT_THAT(told("[target.sequences.s]\nowned_by = \"id\"\nstart = 1.5\n"),
              HasSubstr("start must be a whole number"));
  EXPECT_THAT(told("[target.sequences.s]\nowned_by = \"id\"\ncache = 5\n"),
              HasSubstr("known are as, start, increment, owned_by"));
}

TEST(JobFile, SyntaxErrorsHaveTheirPlace) {
  EXPECT_THAT(told("[source]\ntable = public.chunks\n"), StartsWith("job.toml:2:"));
  EXPECT_THAT(told("[source]\ntable = public.chunks\n"),
              HasSubstr("the job file is no valid TOML: "));
  EXPECT_THAT(told("[source\n"), StartsWith("job.toml:"));
  EXPECT_THAT(told("[source]\ntable = \"a\"\ntable = \"b\"\n"), StartsWith("job.toml:3:"));
  EXPECT_THAT(told("[source]\n[source]\n"), StartsWith("job.toml:2:"));
  EXPECT_THAT(told("a = \"\xff\"\n"), StartsWith("job.toml:1:"));
  EXPECT_THAT(told(std::string_view("a = 1\0\n", 7)), StartsWith("job.toml:1:"));
}

TEST(JobFile, WhatTripsTheLibraryIsASyntaxErrorToo) {
  EXPECT_EQ(told("[source]\ntable = \"t\"\n[@x]\nfoo = 1\n"),
            "job.toml:3:1: the job file is no valid TOML (strings need quotes: table = "
            "\"public.chunks\")");
  EXPECT_THAT(told("[@"), StartsWith("job.toml:1:1: the job file is no valid TOML"));
  for (const char* letter : {"\u00e4", "\u1681", "\u2e9f", "\ufefd", "\U0001f600"}) {
    EXPECT_THAT(told(std::string(letter) + " = 1\n"), HasSubstr("the job file is no valid TOML"));
    EXPECT_THAT(told("[source]\ntable = " + std::string(letter)), StartsWith("job.toml:2:"));
    const std::string text = "[source]\ntable = \"\"\"a\\\n  " + std::string(letter) + "\"\"\"\n";
    EXPECT_EQ(read(text).job.table, "a" + std::string(letter));
  }
}

TEST(JobFile, DeepNestingIsRefusedAndNotFollowed) {
  std::string dots = "a";
  for (int i = 0; i < 100'000; ++i) dots += ".a";
  EXPECT_THAT(told("[" + dots + "]\n"), HasSubstr("more than 1000 dots"));
  EXPECT_THAT(told("# fine\n" + dots + " = 1\n"), StartsWith("job.toml:2:1: "));
  EXPECT_THAT(told("a = " + std::string(100'000, '[')), HasSubstr("job.toml:1:"));
  std::string most = "a";
  for (int i = 0; i < 1000; ++i) most += ".a";
  EXPECT_THAT(told("[" + most + "]\n" + most + " = 1\n"), HasSubstr("a job file has no a"));
}

TEST(JobFile, PasswordsAreRefusedAndNeverRepeated) {
  const char* const cases[] = {
      "[source]\npassword = \"hunter2\"\n",
      "password = \"hunter2\"\n",
      "[source]\nPGPASSWORD = \"hunter2\"\n",
      "[source]\nsslpassword = \"hunter2\"\n",
      "[target]\npwd = \"hunter2\"\n",
      "[other]\npassword = \"hunter2\"\n",
      "[source]\ndsn = \"host=db password=hunter2\"\n",
      "[source]\ndsn = \"postgresql://bob:hunter2@db/app\"\n",
      "[target]\ndsn = \"postgresql://bob:hunter2@db/app\"\n",
      "[target]\ndsn = \"host=db password='hunter2\"\n",
      "[source]\ndsns = \"postgresql://bob:hunter2@db/app\"\n",
      "[source]\n\"postgresql://bob:hunter2@db/app\" = 1\n",
      "\"host=db password=hunter2\" = 1\n",
      "[source]\npassword = hunter2\n",
      "[source]\ndsn = hunter2\n",
      "[source]\ndsn = host=db password=hunter2\n",
      "[source]\ndsn = postgresql://bob:hunter2@db/app\n",
      "[source]\ndsn =\nhunter2\n",
      "[source]\ndsn = \"postgresql://bob:hunter2@db/app\n",
      "source = \"postgresql://bob:hunter2@db/app\"\n",
      "[gates]\n\"postgresql://bob:hunter2@db/app\" = \"auto\"\n",
  };
  for (const char* text : cases) {
    const Error error = refusal_of(text);
    EXPECT_THAT(error.message + error.where + error.hint, Not(HasSubstr("hunter2"))) << text;
  }
  const Error error = refusal_of("[source]\npassword = \"hunter2\"\n");
  EXPECT_EQ(error.code, "password-in-job-file");
  EXPECT_EQ(error.where, "job.toml:2:1");
  EXPECT_THAT(error.hint, HasSubstr("PGPASSFILE"));
  const Error dsn = refusal_of("[source]\ndsn = \"host=db password=hunter2\"\n");
  EXPECT_EQ(dsn.code, "password-in-dsn");
  EXPECT_EQ(dsn.where, "job.toml:2:7");
  EXPECT_THAT(dsn.message, StartsWith("source.dsn carries a password"));
}

TEST(JobFile, TheCommandLineWins) {
  const FileOf file(
      "skip = [\"a\"]\n[source]\ntable = \"t\"\n[limits]\nreaders = 3\nmemory = \"64MB\"\n"
      "[map]\nx = \"1\"\ny = \"2\"\n[verify]\nscope = \"data\"\n[backup]\nretention_days = 3\n");
  const JobDescription job =
      call_of({"run", file.path(), "--readers", "5", "--map", "y=3", "--skip", "b", "--map", "z=4"})
          .job;
  EXPECT_EQ(job.table, "t");
  EXPECT_EQ(job.readers, 5U);
  EXPECT_EQ(job.memory_bytes, 64ULL << 20U);
  EXPECT_EQ(job.window.retention_days, 3U);
  EXPECT_THAT(job.skip, ElementsAre("a", "b"));
  ASSERT_EQ(job.map.size(), 3U);
  EXPECT_EQ(job.map[0].column + "=" + job.map[0].sql, "x=1");
  EXPECT_EQ(job.map[1].column + "=" + job.map[1].sql, "y=3");
  EXPECT_EQ(job.map[2].column + "=" + job.map[2].sql, "z=4");
  EXPECT_EQ(call_of({"verify", file.path()}).job.verify.scope, VerifyScope::data);
  EXPECT_EQ(call_of({"verify", file.path(), "--quick"}).job.verify.scope, VerifyScope::quick);
  EXPECT_EQ(call_of({"verify", "--quick", file.path()}).job.table, "t");
  EXPECT_EQ(call_of({"status", "--table", "u", file.path()}).job.table, "u");
}

TEST(JobFile, EveryCommandReadsTheSameOne) {
  for (const CommandSpec& command : commands()) {
    Words words = {std::string(command.name), example};
    if (command.name == "key") words.insert(words.end(), {"--value", "x"});
    EXPECT_EQ(call_of(words).job.table, "public.chunks") << command.name;
  }
}

TEST(JobFile, AFileThatCannotBeReadIsOneMessage) {
  const Error missing = call_refusal({"run", "/nonexistent/job.toml"});
  EXPECT_EQ(missing.code, "job-file");
  EXPECT_EQ(missing.message, "the job file does not exist");
  EXPECT_EQ(missing.where, "/nonexistent/job.toml");
  const FileOf file("[source]\ntable = \"t\"\n");
  ASSERT_EQ(mkdir((file.folder() + "/d.toml").c_str(), 0700), 0);
  EXPECT_EQ(call_refusal({"run", file.folder() + "/d.toml"}).message,
            "the job file is a directory");
  rmdir((file.folder() + "/d.toml").c_str());
  if (geteuid() != 0) {
    chmod(file.path().c_str(), 0);
    EXPECT_EQ(call_refusal({"run", file.path()}).message,
              "the job file cannot be read: Permission denied");
  }
  EXPECT_EQ(call_refusal({"run", file.path() + "/x.toml"}).message,
            "the job file cannot be read: Not a directory");
  const FileOf large("# " + std::string(1U << 20U, 'x'));
  EXPECT_EQ(call_refusal({"run", large.path()}).message, "the job file is larger than 1 MiB");
}

TEST(JobFile, PlacesNameTheFileAsItWasGiven) {
  const FileOf file("[sorce]\n");
  EXPECT_EQ(call_refusal({"run", file.path()}).where, file.path() + ":1:2");
}

TEST(JobFile, OneIsEnoughAndOnlyTomlIsOne) {
  const FileOf file("[source]\ntable = \"t\"\n");
  EXPECT_THAT(call_refusal({"run", file.path(), "other.toml"}).hint, StartsWith("one job file"));
  EXPECT_THAT(call_refusal({"run", "job.conf"}).hint, HasSubstr("ends in .toml"));
  for (const char* word : {"postgresql://bob:hunter2@db/app.toml", "password=hunter2.toml"}) {
    const Error error = call_refusal({"run", word});
    EXPECT_THAT(error.message + error.where + error.hint, Not(HasSubstr("hunter2")));
  }
}

TEST(JobFile, WithoutATableItNamesBothPlaces) {
  const FileOf file("[limits]\nreaders = 2\n");
  const Error error = call_refusal({"plan", file.path()});
  EXPECT_EQ(error.message, "plan needs --table");
  EXPECT_THAT(error.hint, HasSubstr("[source] table = "));
}

TEST(JobFile, JsonInItHoldsForRefusalsToo) {
  const FileOf json("[output]\njson = true\n");
  EXPECT_TRUE(wants_json(Words{"run", json.path(), "--nonsense"}));
  EXPECT_TRUE(call_of({"run", json.path(), "--table", "t"}).json);
  const FileOf broken("[output\njson = true\n");
  EXPECT_FALSE(wants_json(Words{"run", broken.path()}));
}

}  // namespace
}  // namespace pgfanout

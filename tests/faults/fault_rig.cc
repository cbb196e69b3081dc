#include "tests/faults/fault_rig.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

namespace pgfanout::testing {
namespace {

using Json = nlohmann::json;

constexpr const char* kTemplate = "faults_source";
constexpr const char* kPartitions = "8";
constexpr int kMostAttempts = 3;
constexpr const char* kRefusedByFence = "55000";
constexpr const char* kAccepted = "00000";

/// Rows of all widths, some of them in TOAST tables, NULLs, and rows that are equal in every
/// column.
constexpr const char* kSource = R"sql(
CREATE TABLE chunks (id bigint NOT NULL, collection_id uuid NOT NULL, content text, metadata jsonb,
  amount numeric, made timestamptz) PARTITION BY HASH (collection_id);
CREATE TABLE chunks_h0 PARTITION OF chunks FOR VALUES WITH (MODULUS 5, REMAINDER 0);
CREATE TABLE chunks_h1 PARTITION OF chunks FOR VALUES WITH (MODULUS 5, REMAINDER 1);
CREATE TABLE chunks_h2 PARTITION OF chunks FOR VALUES WITH (MODULUS 5, REMAINDER 2);
CREATE TABLE chunks_h3 PARTITION OF chunks FOR VALUES WITH (MODULUS 5, REMAINDER 3);
CREATE TABLE chunks_h4 PARTITION OF chunks FOR VALUES WITH (MODULUS 5, REMAINDER 4);
INSERT INTO chunks SELECT n, md5((n % 300)::text)::uuid,
  CASE WHEN n % 7 = 0 THEN NULL
       WHEN n % 211 = 0 THEN (SELECT string_agg(md5(n || '.' || i), '') FROM generate_series(1, 300) i)
       ELSE repeat('text ' || n, n % 60) END,
  CASE WHEN n % 11 <> 0 THEN jsonb_build_object('n', n, 'odd', n % 2 = 1) END,
  n / 7.0, timestamptz '2026-01-01 00:00:00+00' + n * interval '1 second'
FROM generate_series(1, @rows) n;
INSERT INTO chunks SELECT * FROM chunks WHERE id % 37 = 0;
ANALYZE chunks;
)sql";

constexpr const char* kColumns = "id, collection_id, content, metadata::text, amount, made";
constexpr const char* kChecksum =
    "SELECT count(*) || ' ' || sum(hashtextextended(c::text, 0)) FROM chunks c";
/// Of what has stood in a table, for tables in different databases.
std::string fingerprint_sql(const std::string& table) {
  const std::string row = "md5(ROW(" + std::string(kColumns) + ")::text)";
  return "SELECT count(*) || ' ' || coalesce(md5(string_agg(" + row + ", '' ORDER BY " + row +
         ")), '') FROM " + table;
}

Json document_of(const CommandResult& result) {
  return Json::parse(result.out, nullptr, false);
}

std::string digest_of(const CommandResult& result) {
  const Json document = document_of(result);
  if (!document.is_object() || !document.contains("target")) return "";
  return document["target"].value("digest", "");
}

std::vector<std::string> copy_arguments(const CopyShape& shape, const std::string& source,
                                        const std::string& target) {
  std::vector<std::string> arguments = {"copy",
                                        "--source",
                                        source,
                                        "--target",
                                        target,
                                        "--table",
                                        "public.chunks",
                                        "--partitions",
                                        kPartitions,
                                        "--readers",
                                        std::to_string(shape.readers),
                                        "--writers",
                                        std::to_string(shape.writers),
                                        "--commit-every",
                                        shape.commit_every,
                                        "--memory",
                                        "16MiB",
                                        "--json",
                                        "--progress",
                                        "none"};
  return arguments;
}

}  // namespace

std::string CopyShape::name() const {
  return "--commit-every " + commit_every + " --readers " + std::to_string(readers) +
         " --writers " + std::to_string(writers) + (two_databases ? ", two databases" : "");
}

CopyShape random_shape(Random& random) {
  CopyShape shape;
  const std::vector<std::string> epochs = {"256kB", "1MB", "1000", "3000"};
  if (below(random, 3) > 0) {
    shape.commit_every = epochs[static_cast<std::size_t>(below(random, 4))];
  }
  shape.readers = below(random, 4) == 0 ? 1 : 2;
  shape.writers = below(random, 3) == 0 ? 3 : 8;
  shape.two_databases = below(random, 4) == 0;
  return shape;
}

FaultBench::FaultBench(int rows, harness::ServerOptions options)
    : server_([&] {
        const std::vector<std::string> small = {"max_connections = 50", "shared_buffers = 32MB",
                                                "min_wal_size = 32MB", "max_wal_senders = 0"};
        options.settings.insert(options.settings.begin(), small.begin(), small.end());
        return options;
      }()) {
  server_.execute("postgres", std::string("CREATE DATABASE ") + kTemplate);
  std::string sql = kSource;
  sql.replace(sql.find("@rows"), 5, std::to_string(rows));
  server_.execute(kTemplate, sql);
  checksum_ = server_.value(kTemplate, kChecksum);
}

std::string FaultBench::clone() {
  const std::string name = "faults_" + std::to_string(++clones_);
  server_.execute("postgres", "CREATE DATABASE " + name + " TEMPLATE " + kTemplate +
                                  " TABLESPACE " + tablespace_);
  return name;
}

void FaultBench::measure(const CopyShape& shape) {
  const std::string source = clone();
  const std::string target = shape.two_databases ? server_.create_database("reference") : source;
  const CommandResult result =
      harness::pgfanout(copy_arguments(shape, server_.dsn(source), server_.dsn(target)));
  const std::string digest = digest_of(result);
  EXPECT_EQ(result.exit_code, 0) << "the reference run, " << shape.name() << '\n' << result;
  EXPECT_TRUE(digest_.empty() || digest == digest_) << shape.name();
  digest_ = digest;
  seconds_[shape] = result.seconds;
  for (const std::string& each : {source, target}) {
    server_.execute("postgres", "DROP DATABASE IF EXISTS " + each + " WITH (FORCE)");
  }
}

const std::string& FaultBench::digest() {
  if (digest_.empty()) measure(CopyShape{});
  return digest_;
}

double FaultBench::seconds(const CopyShape& shape) {
  if (!seconds_.contains(shape)) measure(shape);
  return seconds_[shape];
}

FaultRig::FaultRig(FaultBench& bench, CopyShape shape, Tally& tally)
    : bench_(bench), shape_(std::move(shape)), tally_(tally), source_(bench.clone()) {
  target_ = shape_.two_databases ? bench_.server().create_database("target") : source_;
  bench_.digest();
}

FaultRig::~FaultRig() {
  if (::testing::Test::HasFailure()) return;
  try {
    for (const std::string& each : {source_, target_}) {
      bench_.server().execute("postgres", "DROP DATABASE IF EXISTS " + each + " WITH (FORCE)");
    }
  } catch (const std::exception& error) {
    ADD_FAILURE() << error.what();
  }
}

void FaultRig::add_options(const std::vector<std::string>& options) {
  options_.insert(options_.end(), options.begin(), options.end());
}

std::vector<std::string> FaultRig::arguments() const {
  const auto dsn = [&](const std::string& database) {
    if (through_.empty()) return bench_.server().dsn(database);
    std::string text = through_;
    const std::string mark = "{database}";
    text.replace(text.find(mark), mark.size(), database);
    return text;
  };
  std::vector<std::string> all = copy_arguments(shape_, dsn(source_), dsn(target_));
  all.insert(all.end(), options_.begin(), options_.end());
  return all;
}

harness::BackgroundCommand FaultRig::start(const harness::Environment& environment) const {
  harness::CommandOptions options;
  options.environment = environment;
  options.timeout = std::chrono::seconds(120);
  return harness::BackgroundCommand(harness::pgfanout_argv(arguments()), std::move(options));
}

void FaultRig::run_ended(const CommandResult& result, const std::string& fault) {
  const std::string what = fault + " (" + shape_.name() + ")";
  EXPECT_FALSE(result.timed_out) << what << ": it did not end\n" << result;
  is_complete_ = result.exit_code == 0;
  switch (result.exit_code) {
    case 0:
      ++tally_.unharmed;
      break;
    case 2:
      ++tally_.refused;
      break;
    case 3:
      ++tally_.stopped;
      break;
    case 4:
      ++tally_.unproven;
      break;
    default:
      EXPECT_EQ(result.signal, SIGKILL) << what << result;
      ++tally_.killed;
  }
  if (result.exit_code > 0) {
    EXPECT_NE(errors_of(result), "") << what << ": it does not say why\n" << result;
  }
  if (result.exit_code == 2) {
    const std::string errors = errors_of(result);
    const std::string code = errors.substr(0, errors.find(':'));
    ++tally_.refusals[code];
    tally_.examples.try_emplace(code, errors + " [" + what + "]");
  }
  was_interrupted_ |= !is_complete_;
  Sessions sessions = connect();
  check_left_behind(sessions.source, what);
  if (sessions.other) check_left_behind(*sessions.other, what);
  EXPECT_EQ(sessions.source.value(kChecksum), bench_.checksum()) << "I1, " << what;
  check_fence(sessions, result, what);
  if (is_complete_) check_target(sessions, result, what);
  if (::testing::Test::HasFailure()) ADD_FAILURE() << "the run was\n" << result;
}

void FaultRig::begin_anew() {
  Sessions sessions = connect();
  sessions.target().execute("DROP TABLE chunks_new");
  for (harness::Session* session : {&sessions.source, &sessions.target()}) {
    session->execute("DROP SCHEMA IF EXISTS pgfanout CASCADE");
  }
  is_complete_ = false;
  was_interrupted_ = false;
}

void FaultRig::finish() {
  const Tally before = tally_;
  for (int attempt = 1; attempt <= kMostAttempts && !is_complete_; ++attempt) {
    const CommandResult result = start().wait();
    bool was_right = false;
    if (result.exit_code == 2) {
      Sessions sessions = connect();
      was_right = target_is_right(sessions);
    }
    run_ended(result, "resume no. " + std::to_string(attempt));
    if (was_right) break;
    // Nothing was done to this run: that it stops is as wrong as that it refuses.
    EXPECT_EQ(result.exit_code, 0) << "resume no. " << attempt << result;
    if (::testing::Test::HasFailure()) return;
  }
  tally_.unharmed = before.unharmed;
  ++tally_.completed;
  if (was_interrupted_) ++tally_.resumed;
  book_work();
}

/// Counts rows of aborted transactions as well, which is the point.
void FaultRig::book_work() {
  if (!was_interrupted_) return;
  const std::int64_t written = std::stoll(bench_.server().value(
      target_,
      "SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables WHERE relname LIKE "
      "'chunks\\_new\\_p%'"));
  const std::int64_t needed =
      std::stoll(bench_.server().value(target_, "SELECT count(*) FROM chunks_new"));
  // A crash of the server loses its statistics.
  if (written < needed) return;
  tally_.rows_needed += needed;
  tally_.rows_written += written;
}

FaultRig::Sessions FaultRig::connect() const {
  Sessions sessions{bench_.server().connect(source_), std::nullopt};
  if (shape_.two_databases) sessions.other = bench_.server().connect(target_);
  return sessions;
}

bool FaultRig::target_is_right(Sessions& sessions) {
  harness::Session& target = sessions.target();
  if (target.value("SELECT to_regclass('public.chunks_new') IS NULL") == "t") return false;
  const std::string wrong_rows = target.value(
      "SELECT count(*) FROM chunks_new WHERE partition_key <> abs(hashtext(collection_id::text)) % "
      "8 OR tableoid::regclass::text <> 'chunks_new_p' || partition_key");
  if (wrong_rows != "0") return false;
  if (!sessions.other) {
    const std::string one = std::string("SELECT ") + kColumns + " FROM chunks";
    const std::string other = std::string("SELECT ") + kColumns + " FROM chunks_new";
    return target.value("SELECT count(*) FROM ((" + one + " EXCEPT ALL " + other + ") UNION ALL (" +
                        other + " EXCEPT ALL " + one + ")) d") == "0";
  }
  return sessions.source.value(fingerprint_sql("chunks")) ==
         target.value(fingerprint_sql("chunks_new"));
}

void FaultRig::check_target(Sessions& sessions, const CommandResult& result,
                            const std::string& what) const {
  EXPECT_EQ(sessions.target().value(
                "SELECT count(*) FROM pg_inherits WHERE inhparent = 'chunks_new'::regclass"),
            kPartitions)
      << "I3, " << what;
  EXPECT_TRUE(target_is_right(sessions)) << "I3, " << what;
  EXPECT_EQ(digest_of(result), bench_.digest()) << "I4, " << what;
}

/// Rows of the target's tables, whether they are attached or not.
std::string FaultRig::target_rows(harness::Session& target) {
  std::int64_t rows = 0;
  for (const auto& table :
       target.rows("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relname LIKE "
                   "'chunks\\_new%'")) {
    rows += std::stoll(target.value("SELECT count(*) FROM " + *table.front()));
  }
  return std::to_string(rows);
}

/// Of a statement that is not kept in any case.
std::string FaultRig::sqlstate_of(harness::Session& session, const std::string& sql) {
  std::string state = kAccepted;
  session.execute("BEGIN; SET LOCAL lock_timeout = '20s'");
  try {
    session.execute(sql);
  } catch (const harness::ServerError& error) {
    state = error.sqlstate();
  }
  session.execute("ROLLBACK");
  return state;
}

void FaultRig::check_fence(Sessions& sessions, const CommandResult& result,
                           const std::string& what) {
  harness::Session& source = sessions.source;
  const std::string insert =
      sqlstate_of(source, "INSERT INTO chunks SELECT * FROM chunks_h1 LIMIT 1");
  for (const char* leaf : {"chunks_h0", "chunks_h4"}) {
    EXPECT_EQ(sqlstate_of(source, std::string("TRUNCATE ") + leaf), insert)
        << "half a fence on " << leaf << ", " << what;
  }
  // A call that was refused before it took on the job leaves the job's fence, and says so; one that
  // could not connect does not know.
  const bool is_aside =
      result.exit_code == 2 && (result.out.find("\"writes_refused\": true") != std::string::npos ||
                                result.out.find("\"cannot-connect\"") != std::string::npos);
  const bool must_be_gone =
      result.exit_code == 0 || result.exit_code == 1 || (result.exit_code == 2 && !is_aside);
  if (must_be_gone) {
    EXPECT_EQ(insert, kAccepted) << "the fence still stands, " << what;
  } else if (insert == kAccepted) {
    // It may not have been raised yet, or been lifted already; in between is wrong.
    EXPECT_TRUE(target_rows(sessions.target()) == "0" || target_is_right(sessions))
        << "there is no fence, " << what;
  } else {
    EXPECT_EQ(insert, kRefusedByFence) << what;
  }
  if (must_be_gone) {
    EXPECT_EQ(source.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal"), "0")
        << "I5, " << what;
    EXPECT_EQ(source.value("SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = "
                           "p.pronamespace WHERE n.nspname = 'pgfanout'"),
              "0")
        << "I5, " << what;
  }
}

void FaultRig::check_left_behind(harness::Session& session, const std::string& what) const {
  expect_no_sessions(session, what, patience_);
  EXPECT_EQ(session.value("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND "
                          "database = (SELECT oid FROM pg_database WHERE datname = "
                          "current_database())"),
            "0")
      << "I5, " << what;
  EXPECT_EQ(session.value("SELECT count(*) FROM pg_prepared_xacts"), "0") << "I5, " << what;
  const bool has_journal =
      session.value("SELECT to_regclass('pgfanout.made_relation') IS NOT NULL") == "t";
  EXPECT_EQ(
      session.value("SELECT coalesce(string_agg(c.oid::regclass::text, ', '), '') FROM pg_class c"
                    " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT IN"
                    " ('pg_catalog', 'information_schema', 'pg_toast', 'pgfanout')"
                    " AND c.relkind IN ('r', 'p', 'S', 'v', 'm', 'f')"
                    " AND NOT (c.relname ~ '^chunks(_h[0-4])?$')" +
                    std::string(has_journal ? " AND c.oid NOT IN (SELECT relation FROM"
                                              " pgfanout.made_relation)"
                                            : "")),
      "")
      << "I5, objects that the journal does not name, " << what;
}

std::string errors_of(const CommandResult& result) {
  const Json document = document_of(result);
  if (!document.is_object() || !document.contains("issues")) return result.err;
  std::string text;
  for (const Json& issue : document["issues"]) {
    if (issue["severity"] != "ERROR" && issue["severity"] != "CRITICAL") continue;
    const std::string message = issue.value("message", "");
    if (message.empty()) continue;
    text += (text.empty() ? "" : "\n") + issue.value("code", "") + ": " + message;
  }
  return text;
}

void expect_no_sessions(harness::Session& session, const std::string& what,
                        std::chrono::milliseconds patience) {
  const std::string sql =
      "SELECT coalesce(string_agg(application_name || ' ' || state || ' ' || left(query, 80), "
      "E'\\n'), '') FROM pg_stat_activity WHERE application_name LIKE 'pgfanout/%' AND datname = "
      "current_database()";
  const auto deadline = std::chrono::steady_clock::now() + patience;
  std::string left = session.value(sql);
  while (!left.empty() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    left = session.value(sql);
  }
  if (left.empty()) return;
  ADD_FAILURE() << "I5, sessions are left, " << what << ":\n" << left;
}

}  // namespace pgfanout::testing

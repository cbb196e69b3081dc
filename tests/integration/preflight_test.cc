// Go or no-go: rights, settings, links, replication, columns, and what is not carried over.
#include "tests/integration/preflight_fixture.h"

namespace pgfanout {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing::succeeded;
using testing::TestServer;

class PreflightTest : public testing::PreflightFixture {
 protected:
  void SetUp() override {
    PreflightFixture::SetUp();
    execute(kTables);
  }

  /// alice owns the tables; bob may read them and create in the schema, as a copy needs it.
  void make_roles() const {
    execute(
        "CREATE ROLE " + role("alice") + "; CREATE ROLE " + role("bob") +
        " LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT CREATE ON SCHEMA public TO " +
        role("bob"));
    for (const char* table : {"collections", "chunks", "chunks_0", "chunks_1"}) {
      execute(std::string("ALTER TABLE ") + table + " OWNER TO " + role("alice") +
              "; GRANT SELECT ON " + table + " TO " + role("bob"));
    }
  }
};

TEST_F(PreflightTest, NothingStandsInTheWay) {
  execute(load(2000, 500));
  const Preflight found = look(chunks_job());
  EXPECT_THAT(errors(found), IsEmpty());
  // The servers of tests do without durability, and that is seen.
  std::vector<std::string> warnings;
  for (const Issue& issue : found.issues) {
    if (issue.severity == Severity::warning) warnings.push_back(issue.code);
  }
  EXPECT_THAT(warnings, ElementsAre("not-durable", "not-durable"));
  EXPECT_THAT(with_code(found, "columns"), ElementsAre(HasSubstr("4 columns have the same type")));
  EXPECT_THAT(with_code(found, "replica-identity-now"),
              ElementsAre(HasSubstr("by the primary key |")));
}

TEST_F(PreflightTest, LayoutsAreWeighedByTheApplicationsQueries) {
  execute(load(2000, 500));
  JobDescription job = chunks_job();
  const auto advice = [&] { return with_code(look(job), "layout-advice"); };
  EXPECT_THAT(advice(), ElementsAre(AllOf(
                            HasSubstr("a query by collection_id alone reads all 4 leaves"),
                            HasSubstr("--partition-by 'HASH (collection_id)' in place of --key"))));
  QueryCheck by_collection;
  by_collection.name = "by collection";
  by_collection.sql = "SELECT count(*) FROM {table} WHERE collection_id = $1";
  QueryCheck by_both = by_collection;
  by_both.name = "by both";
  by_both.sql = "SELECT content FROM {table} WHERE id = 5 AND collection_id = ANY ($1)";
  job.window.queries = {by_collection, by_both};
  const Preflight found = look(job);
  EXPECT_THAT(with_code(found, "layout-advice"),
              ElementsAre(HasSubstr("of 2 queries, 2 would read all 4 leaves")));
  EXPECT_EQ(severity_of(found, "layout-advice"), Severity::warning);
  ASSERT_THAT(found.layouts, SizeIs(3));
  EXPECT_EQ(found.layouts[0].layout, "LIST by the key");
  EXPECT_EQ(found.layouts[0].reads[0].leaves, "all");
  EXPECT_TRUE(found.layouts[1].is_present);
  EXPECT_TRUE(found.layouts[2].is_better);

  job.window.queries[0].target_sql = by_collection.sql + " AND partition_key = 1";
  job.window.queries[1].target_sql = by_both.sql + " AND partition_key = 1";
  EXPECT_THAT(advice(), IsEmpty());
  job = chunks_job();
  job.key.clear();
  job.layout.by = "HASH (collection_id)";
  EXPECT_THAT(advice(), IsEmpty());
}

TEST_F(PreflightTest, TheOwnerIsNeeded) {
  make_roles();
  const std::string alice = role("alice");
  const std::string bob = role("bob");
  Preflight found = look_as(bob, chunks_job());
  EXPECT_THAT(with_code(found, "not-owner"),
              Contains(AllOf(HasSubstr("role " + bob +
                                       " does not own public.chunks, "
                                       "public.chunks_0, public.chunks_1: "),
                             HasSubstr("| GRANT " + alice + " TO " + bob + ","))));
  EXPECT_EQ(severity_of(found, "not-owner"), Severity::error);
  const auto lacking = with_code(found, "no-privilege");
  EXPECT_THAT(lacking, Contains(HasSubstr("cannot make " + alice + " the owner of the target")));
  EXPECT_THAT(lacking,
              Contains(HasSubstr("role " + alice +
                                 " cannot own the target: it cannot create in schema public")));
  EXPECT_THAT(lacking, Contains(AllOf(HasSubstr("schema pgfanout"),
                                      HasSubstr("GRANT CREATE ON DATABASE " + database))));
  EXPECT_THAT(lacking, Contains(AllOf(HasSubstr("lacks REFERENCES on public.collections"),
                                      HasSubstr("GRANT REFERENCES ON public.collections TO"))));
  EXPECT_THAT(with_code(found, "sessions-hidden"), SizeIs(1));

  // Following the hints is enough.
  execute("GRANT " + alice + " TO " + bob + "; GRANT CREATE ON SCHEMA public TO " + alice +
          "; CREATE SCHEMA pgfanout AUTHORIZATION " + bob + "; GRANT pg_monitor TO " + bob);
  found = look_as(bob, chunks_job());
  EXPECT_THAT(errors(found), IsEmpty());
  EXPECT_THAT(with_code(found, "sessions-hidden"), IsEmpty());
}

TEST_F(PreflightTest, OnlyReadingNeedsNoOwner) {
  make_roles();
  JobDescription job = chunks_job();
  job.assume_quiet = true;
  EXPECT_EQ(severity_of(look_as(role("bob"), job), "not-owner"), Severity::warning);
}

TEST_F(PreflightTest, TheJournalMustBeOpen) {
  make_roles();
  execute("CREATE SCHEMA pgfanout; CREATE TABLE pgfanout.job (job text)");
  EXPECT_THAT(with_code(look_as(role("bob"), chunks_job()), "no-privilege"),
              Contains(HasSubstr("GRANT USAGE, CREATE ON SCHEMA pgfanout TO")));
  execute("GRANT USAGE, CREATE ON SCHEMA pgfanout TO " + role("bob"));
  EXPECT_THAT(with_code(look_as(role("bob"), chunks_job()), "no-privilege"),
              Contains(HasSubstr("cannot read and write pgfanout.job")));
  execute("GRANT ALL ON pgfanout.job TO " + role("bob"));
  EXPECT_THAT(with_code(look_as(role("bob"), chunks_job()), "no-privilege"),
              Not(Contains(HasSubstr("pgfanout"))));
}

TEST_F(PreflightTest, WhatBelongsToTheTablesMustBeOwnedOrUsable) {
  make_roles();
  const std::string bob = role("bob");
  execute(
      "GRANT " + role("alice") + " TO " + bob +
      "; CREATE VIEW seen AS SELECT id FROM chunks; CREATE MATERIALIZED VIEW kept AS SELECT id "
      "FROM chunks_1; CREATE VIEW on_kept AS SELECT * FROM kept; CREATE VIEW on_seen AS SELECT "
      "* FROM seen; CREATE PUBLICATION p FOR TABLE chunks; CREATE STATISTICS s ON id, "
      "document_id FROM chunks; CREATE TABLE child (id bigint, c uuid, FOREIGN KEY (id, c) "
      "REFERENCES chunks); CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
      "RETURN NEW; END'; CREATE TRIGGER t BEFORE INSERT ON chunks FOR EACH ROW EXECUTE FUNCTION "
      "touch(); REVOKE EXECUTE ON FUNCTION touch() FROM PUBLIC; CREATE TYPE mood AS ENUM ('a');"
      "ALTER TABLE chunks ADD feeling mood; REVOKE USAGE ON TYPE mood FROM PUBLIC");
  expect_refused(
      plan_between(chunks_job(), server().dsn(database, bob), server().dsn(database, bob)),
      "no-privilege", {"GRANT USAGE ON TYPE public.mood TO " + bob});
  execute("GRANT USAGE ON TYPE mood TO " + bob);
  const Preflight found = look_as(bob, chunks_job());
  EXPECT_THAT(with_code(found, "not-owner"),
              ::testing::UnorderedElementsAre(
                  HasSubstr("does not own public.kept, public.on_kept, public.seen: "),
                  HasSubstr("does not own public.child: their foreign keys"),
                  HasSubstr("does not own publication p:"),
                  HasSubstr("does not own statistics public.s:")));
  EXPECT_THAT(with_code(found, "not-owner"), Each(HasSubstr("| GRANT postgres TO " + bob)));
  EXPECT_THAT(with_code(found, "no-privilege"),
              Contains(HasSubstr("GRANT EXECUTE ON FUNCTION public.touch() TO " + bob)));
}

TEST_F(PreflightTest, EventTriggersAreNamed) {
  execute(
      "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';"
      "CREATE EVENT TRIGGER watchful ON ddl_command_end EXECUTE FUNCTION watch();"
      "CREATE EVENT TRIGGER asleep ON sql_drop EXECUTE FUNCTION watch();"
      "ALTER EVENT TRIGGER asleep DISABLE");
  EXPECT_THAT(with_code(look(chunks_job()), "event-trigger"),
              ElementsAre(HasSubstr("event trigger watchful runs public.watch()")));
}

TEST_F(PreflightTest, SettingsOfTheRole) {
  execute("ALTER DATABASE " + database +
          " SET session_replication_role = replica; ALTER DATABASE " + database +
          " SET temp_file_limit = '1GB'");
  EXPECT_THAT(errors(look(chunks_job())), ElementsAre(HasSubstr("replica-role:")));
  EXPECT_THAT(with_code(look(chunks_job()), "temp-file-limit"),
              ElementsAre(HasSubstr("temp_file_limit is 1GB")));
}

TEST_F(PreflightTest, EverythingRunsInReadOnlyTransactions) {
  execute(load(500, 100));
  const JobDescription job = chunks_job();
  Connection source = open();
  Connection target = open();
  ASSERT_TRUE(succeeded(source.run("BEGIN READ ONLY")));
  ASSERT_TRUE(succeeded(target.run("BEGIN READ ONLY")));
  const auto plan = make_copy_plan(job, source, target);
  ASSERT_TRUE(succeeded(plan));
  const Cancellation never;
  const auto found = check_before_window(job, *plan, {}, source, target, never);
  ASSERT_TRUE(succeeded(found));
  EXPECT_THAT(errors(*found), IsEmpty());
  EXPECT_THAT(found->estimates, SizeIs(7));
}

TEST_F(PreflightTest, AnotherDatabase) {
  const std::string other = server().create_database("other");
  server().execute(other, "CREATE TABLE collections (id uuid PRIMARY KEY)");
  JobDescription job = chunks_job();
  const auto look_there = [&] { return look_at(job, server().dsn(database), server().dsn(other)); };
  EXPECT_EQ(severity_of(look_there(), "two-databases"), Severity::info);
  EXPECT_THAT(errors(look_there()), IsEmpty());
  job.window.swap = true;
  EXPECT_THAT(errors(look_there()), ElementsAre(HasSubstr("two-databases:")));
  job.window.swap = false;
  server().execute(other, "ALTER DATABASE " + other + " SET zero_damaged_pages = on");
  EXPECT_THAT(errors(look_there()), ElementsAre(HasSubstr("damaged-pages-hidden: zero_damaged")));
}

TEST_F(PreflightTest, LinksThatAreNotEncrypted) {
  harness::ServerOptions options;
  options.tcp = true;
  TestServer by_tcp(options);
  by_tcp.execute("postgres", kTables);
  const Preflight found = look_at(chunks_job(), by_tcp.tcp_dsn(), by_tcp.tcp_dsn());
  EXPECT_THAT(with_code(found, "not-encrypted"),
              ElementsAre(HasSubstr("the link to the source is not encrypted; its address")));
  EXPECT_EQ(severity_of(found, "not-encrypted"), Severity::info);
  EXPECT_THAT(with_code(look(chunks_job()), "not-encrypted"), IsEmpty());
}

TEST_F(PreflightTest, LanesShareConnections) {
  JobDescription job = chunks_job(10);
  job.readers = 2;
  job.writers = 4;
  EXPECT_THAT(with_code(look(job), "connections"),
              ElementsAre(HasSubstr("2 readers, 4 writers and 3 more; the 10 lanes share the "
                                    "writers, up to 3 lanes each")));
  job.writers = 10;
  EXPECT_THAT(with_code(look(job), "connections"),
              ElementsAre(AllOf(HasSubstr("of 250 connections are free"),
                                HasSubstr("the 10 lanes have a connection each"))));
}

TEST_F(PreflightTest, RowSecurity) {
  execute(
      "ALTER TABLE chunks ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON chunks USING (true)");
  EXPECT_THAT(with_code(look(chunks_job()), "row-security"),
              ElementsAre(HasSubstr("is on with 1 policy: this role is exempt")));
}

TEST_F(PreflightTest, SubscribersMustKnowTheNewKey) {
  EXPECT_THAT(with_code(look(chunks_job()), "replica-identity"), IsEmpty());
  execute("CREATE PUBLICATION p FOR TABLE chunks");
  Preflight found = look(chunks_job());
  EXPECT_THAT(with_code(found, "replica-identity"),
              ElementsAre(HasSubstr("the replica identity gains partition_key: subscribers to p")));
  EXPECT_THAT(with_code(found, "publishes-leaves"),
              ElementsAre(HasSubstr("p publishes changes under the names of leaves")));
  JobDescription generated = chunks_job();
  generated.key_mode = KeyMode::generated;
  EXPECT_THAT(with_code(look(generated), "replica-identity"),
              ElementsAre(HasSubstr("each leaf needs REPLICA IDENTITY USING INDEX")));
  execute("ALTER PUBLICATION p SET (publish_via_partition_root = true, publish = 'insert')");
  found = look(chunks_job());
  EXPECT_THAT(with_code(found, "replica-identity"), IsEmpty());
  EXPECT_THAT(with_code(found, "publishes-leaves"), IsEmpty());
  execute("ALTER TABLE chunks_1 REPLICA IDENTITY FULL");
  EXPECT_THAT(
      with_code(look(chunks_job()), "replica-identity-now"),
      ElementsAre(HasSubstr("by the primary key (1 leaves), the whole row (FULL) (1 leaves), "
                            "published by p")));
}

TEST_F(PreflightTest, ColumnsThatAreComputedOnTheirWay) {
  execute("ALTER TABLE chunks ADD meta json, ADD old_note text");
  JobDescription job = chunks_job();
  job.map = {{"metadata", "coalesce(meta::jsonb, '{}')"}, {"note", "content"}};
  job.skip = {"meta", "old_note"};
  const Preflight found = look(job);
  EXPECT_THAT(with_code(found, "column-computed"),
              ElementsAre(AllOf(HasSubstr("metadata jsonb from "), HasSubstr("meta::jsonb"))));
  EXPECT_THAT(with_code(found, "column-unused"),
              ElementsAre(HasSubstr("as they are: meta, old_note |")));
}

TEST_F(PreflightTest, WhatIsNotCarriedIsANoGoUnlessAccepted) {
  CarryPlan carry;
  carry.not_carried = {
      {"foreign key", "\"child_fkey\"", "the key gains a column", "drop it", false},
      {"rule", "quiet", "it cannot be", "write a trigger", true}};
  const Preflight found = look(chunks_job(), carry);
  EXPECT_THAT(errors(found),
              ElementsAre("not-carried: foreign key \"child_fkey\" cannot be carried "
                          "over: the key gains a column"));
  EXPECT_THAT(with_code(found, "not-carried"),
              ElementsAre(HasSubstr("| drop it; to go without it, write accept = [\"foreign key "
                                    "\\\"child_fkey\\\"\"]"),
                          HasSubstr("| accepted by the job; write a trigger")));
}

TEST_F(PreflightTest, OpenTransactionsSurviveAFailure) {
  execute(
      "INSERT INTO collections VALUES (md5('a')::uuid); INSERT INTO chunks VALUES (1, "
      "md5('a')::uuid, md5('a')::uuid, 'no number')");
  JobDescription job = chunks_job();
  job.map = {{"number", "content::int"}};
  Connection source = open();
  Connection target = open();
  ASSERT_TRUE(succeeded(source.run("BEGIN ISOLATION LEVEL REPEATABLE READ")));
  const auto plan = make_copy_plan(job, source, target);
  ASSERT_TRUE(succeeded(plan));
  Cancellation cancellation;
  const auto found = check_before_window(job, *plan, {}, source, target, cancellation);
  ASSERT_TRUE(succeeded(found));
  EXPECT_THAT(errors(*found), ElementsAre(AllOf(HasSubstr("row-fails:"), HasSubstr("22P02"),
                                                Not(HasSubstr("DETAIL")))));
  EXPECT_TRUE(succeeded(source.query("SELECT 1")));
  job.reject_limit.rows = 1;
  const auto tolerant = check_before_window(job, *plan, {}, source, target, cancellation);
  ASSERT_TRUE(succeeded(tolerant));
  EXPECT_EQ(severity_of(*tolerant, "row-fails"), Severity::warning);
  cancellation.set();
  const auto stopped = check_before_window(job, *plan, {}, source, target, cancellation);
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().code, "cancelled");
  EXPECT_EQ(stopped.error().consequence, Consequence::interrupt);
}

}  // namespace
}  // namespace pgfanout

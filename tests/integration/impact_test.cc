// The impact on the application, with the objects that the catalog and the text of functions name.
#include "copier/preflight/preflight.h"
#include "tests/integration/preflight_fixture.h"

namespace pgfanout {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr const char* kApplication = R"sql(
CREATE UNIQUE INDEX chunks_once ON chunks (lower(content), collection_id);
CREATE TABLE child (id bigint, c uuid, CONSTRAINT child_to_chunk FOREIGN KEY (id, c)
  REFERENCES chunks);
CREATE FUNCTION add_chunk() RETURNS void LANGUAGE plpgsql AS
  'BEGIN INSERT  INTO public.chunks VALUES (1) ON CONFLICT (id, collection_id) DO NOTHING; END';
CREATE FUNCTION add_other() RETURNS void LANGUAGE sql AS
  'INSERT INTO collections SELECT gen_random_uuid()';
CREATE FUNCTION add_look_alike() RETURNS void LANGUAGE plpgsql AS
  'BEGIN INSERT INTO chunks_of_others VALUES (1); END';
CREATE FUNCTION move_chunk() RETURNS void LANGUAGE plpgsql AS
  'BEGIN UPDATE "chunks" SET collection_id = gen_random_uuid(); END';
CREATE FUNCTION from_trigger() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN insert into chunks (id) VALUES (NEW.id); RETURN NEW; END';
CREATE TRIGGER fill AFTER INSERT ON collections FOR EACH ROW EXECUTE FUNCTION from_trigger();
CREATE FUNCTION atomic_count() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM chunks;
  END;
CREATE FUNCTION atomic_add() RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO chunks (id,
  collection_id, document_id) VALUES (1, gen_random_uuid(), gen_random_uuid()); END;
CREATE FUNCTION takes_row(chunks) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION takes_rows(chunks[]) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION gives_rows() RETURNS SETOF chunks LANGUAGE sql AS 'SELECT * FROM chunks';
CREATE FUNCTION of_leaf() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM chunks_0';
CREATE TABLE archive (what chunks, more chunks[]);
CREATE DOMAIN good_chunk AS chunks CHECK ((VALUE).id > 0);
CREATE VIEW plain AS SELECT id, collection_id, document_id FROM chunks;
CREATE VIEW grouped AS SELECT id, collection_id, content, count(*) FROM chunks
  GROUP BY id, collection_id;
CREATE MATERIALIZED VIEW kept AS SELECT collection_id, count(*) FROM chunks GROUP BY 1;
CREATE VIEW leaf_view AS SELECT id FROM chunks_1;
CREATE RULE also AS ON INSERT TO child DO ALSO INSERT INTO chunks (id, collection_id, document_id)
  VALUES (NEW.id, NEW.c, NEW.c);
CREATE POLICY readers ON collections USING (EXISTS (SELECT FROM chunks WHERE collection_id =
  collections.id));
CREATE POLICY own ON chunks USING (id > 0);
CREATE RULE own_rule AS ON DELETE TO chunks WHERE OLD.id = 0 DO INSTEAD NOTHING;
)sql";

class ImpactTest : public testing::PreflightFixture {
 protected:
  void SetUp() override {
    PreflightFixture::SetUp();
    execute(kTables);
  }
  [[nodiscard]] std::vector<Impact> find(const JobDescription& job,
                                         const CarryPlan& carry = {}) const {
    Connection source = open();
    Connection target = open();
    const auto plan = make_copy_plan(job, source, target);
    if (!plan) throw std::runtime_error(plan.error().message);
    auto found = find_impact(job, *plan, carry, source);
    if (!found) throw std::runtime_error(found.error().message);
    return std::move(*found);
  }
  /// The one that begins like that.
  static Impact item(const std::vector<Impact>& all, const std::string& begin) {
    for (const Impact& impact : all) {
      if (impact.what.starts_with(begin)) return impact;
    }
    throw std::runtime_error("nothing begins with " + begin);
  }
  static std::vector<std::string> whats(const std::vector<Impact>& all) {
    std::vector<std::string> texts;
    for (const Impact& impact : all) texts.push_back(impact.what);
    return texts;
  }
  static JobDescription job_in(KeyMode mode) {
    JobDescription job = chunks_job();
    job.key_mode = mode;
    return job;
  }
};

TEST_F(ImpactTest, ModelsOfAnOrmFindTheKeyFunctionByName) {
  CarryPlan carry;
  carry.key_function = "public.chunks_partition_key(collection_id)";
  const auto checked = find(job_in(KeyMode::check), carry);
  const Impact models = item(checked, "models of an ORM map partition_key");
  EXPECT_THAT(models.what, HasSubstr("with the value public.chunks_partition_key(collection_id)"));
  EXPECT_THAT(models.advice, AllOf(HasSubstr("when collection_id changes"),
                                   HasSubstr("the function is made before the swap"),
                                   HasSubstr("docs/APPLICATION.md")));
  // The statements' items give the same call, and not the expression.
  for (const char* begin : {"inserts must", "updates of"}) {
    EXPECT_THAT(
        item(checked, begin).advice,
        AllOf(HasSubstr("public.chunks_partition_key(collection_id)"), Not(HasSubstr("hashtext"))));
  }
  EXPECT_THAT(item(checked, "only conditions on partition_key").advice,
              HasSubstr("partition_key = public.chunks_partition_key(collection_id)"));
  const auto generated = find(job_in(KeyMode::generated), carry);
  EXPECT_THAT(item(generated, "models of an ORM need no change; partition_key").advice,
              HasSubstr("public.chunks_partition_key(collection_id) is made before the swap"));
  EXPECT_THAT(item(generated, "only conditions on").advice,
              HasSubstr("public.chunks_partition_key(collection_id) = "
                        "public.chunks_partition_key(collection_id)"));
  EXPECT_EQ(item(find(job_in(KeyMode::expression), carry), "models").what,
            "models of an ORM need no change");
  carry.key_function_changes = true;
  EXPECT_THAT(item(find(job_in(KeyMode::none), carry), "models of an ORM map").advice,
              HasSubstr("the function changes with the swap, not before"));
  // Somebody else's function has its name.
  EXPECT_THAT(item(find(job_in(KeyMode::none)), "models of an ORM map").what,
              HasSubstr("hashtext"));
}

TEST_F(ImpactTest, InsertsMustSupplyTheKey) {
  execute(kApplication);
  const Impact inserts = item(find(job_in(KeyMode::check)), "inserts must supply partition_key");
  EXPECT_THAT(inserts.what, HasSubstr("a wrong value is refused"));
  EXPECT_THAT(
      inserts.objects,
      UnorderedElementsAre(
          "function public.add_chunk() (by text)", "function public.atomic_add() (BEGIN ATOMIC)",
          "function public.from_trigger() (by text), called by trigger fill on "
          "public.collections",
          "view public.plain", "view public.leaf_view", "rule also on public.child"));
  EXPECT_THAT(inserts.advice, HasSubstr("hashtext"));
  EXPECT_THAT(item(find(job_in(KeyMode::none)), "inserts must supply").what,
              HasSubstr("nothing refuses"));
}

TEST_F(ImpactTest, UpdatesOfTheKeysColumnsMustSetIt) {
  execute(kApplication);
  const Impact updates = item(find(job_in(KeyMode::check)), "updates of collection_id");
  EXPECT_THAT(updates.objects, ElementsAre("function public.move_chunk() (by text)"));
  EXPECT_THAT(updates.advice, HasSubstr("the CHECK refuses"));
  EXPECT_THAT(item(find(job_in(KeyMode::none)), "updates of").advice, HasSubstr("wrong leaf"));
}

TEST_F(ImpactTest, TargetsOfOnConflict) {
  execute("ALTER TABLE chunks ADD n int; CREATE UNIQUE INDEX again ON chunks (n, collection_id)");
  execute(
      "CREATE FUNCTION add_chunk() RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO chunks "
      "VALUES (1) ON  CONFLICT DO NOTHING; END'");
  const Impact conflicts = item(find(job_in(KeyMode::check)), "ON CONFLICT");
  EXPECT_THAT(conflicts.objects, ElementsAre("chunks_pkey PRIMARY KEY (id, collection_id)",
                                             "again UNIQUE INDEX (n, collection_id)",
                                             "function public.add_chunk() (by text)"));
  EXPECT_THAT(conflicts.advice, HasSubstr("add partition_key to the columns after ON CONFLICT"));
  EXPECT_THAT(item(find(job_in(KeyMode::generated)), "ON CONFLICT").advice,
              HasSubstr("no unique constraint of its own"));
}

TEST_F(ImpactTest, ForeignKeysThatComeIn) {
  EXPECT_THAT(whats(find(chunks_job())), Not(Contains(HasSubstr("foreign keys that refer"))));
  execute(kApplication);
  EXPECT_THAT(item(find(chunks_job()), "foreign keys that refer").objects,
              ElementsAre("child_to_chunk on public.child"));
}

TEST_F(ImpactTest, GroupsByTheOldKey) {
  execute(kApplication);
  execute(
      "CREATE FUNCTION grouping_one() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT content FROM "
      "chunks GROUP BY id, collection_id; END");
  const Impact groups = item(find(chunks_job()), "GROUP BY id, collection_id no longer covers");
  EXPECT_THAT(groups.objects,
              ElementsAre("function public.grouping_one() (BEGIN ATOMIC)", "view public.grouped"));
}

TEST_F(ImpactTest, ObjectsThatFollowTheOldTable) {
  execute(kApplication);
  const auto found = find(chunks_job());
  EXPECT_THAT(
      item(found, "functions over the table").objects,
      UnorderedElementsAre("rule also on public.child", "policy readers on public.collections",
                           "function public.atomic_count() (BEGIN ATOMIC)",
                           "function public.atomic_add() (BEGIN ATOMIC)",
                           "function public.takes_row(public.chunks) (row type)",
                           "function public.takes_rows(public.chunks[]) (row type)",
                           "function public.gives_rows() (row type)"));
  EXPECT_THAT(item(found, "other objects are bound").objects,
              UnorderedElementsAre("column public.archive.what (row type)",
                                   "column public.archive.more (row type)",
                                   "type public.good_chunk (row type)"));
  EXPECT_THAT(item(found, "views show").objects,
              UnorderedElementsAre("view public.plain", "view public.grouped",
                                   "materialized view public.kept", "view public.leaf_view"));
  EXPECT_THAT(item(found, "statements that name a leaf").objects,
              UnorderedElementsAre("function public.of_leaf() (by text)",
                                   "view public.leaf_view: public.chunks_1"));
}

TEST_F(ImpactTest, TriggersThatStoreWholeRows) {
  execute(
      "CREATE TABLE log_of_chunks (LIKE chunks); CREATE FUNCTION log_it() RETURNS trigger LANGUAGE "
      "plpgsql AS 'BEGIN INSERT INTO log_of_chunks SELECT (OLD) . *; RETURN OLD; END'; CREATE "
      "FUNCTION keep_it() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log_of_chunks "
      "VALUES (new.*); RETURN NEW; END'; CREATE FUNCTION note_it() RETURNS trigger LANGUAGE "
      "plpgsql "
      "AS 'BEGIN RAISE NOTICE ''%'', NEW.id; RETURN NEW; END'; CREATE TRIGGER a AFTER DELETE ON "
      "chunks FOR EACH ROW EXECUTE FUNCTION log_it(); CREATE TRIGGER b AFTER UPDATE ON chunks FOR "
      "EACH ROW EXECUTE FUNCTION keep_it(); CREATE TRIGGER c AFTER UPDATE ON chunks FOR EACH ROW "
      "EXECUTE FUNCTION note_it()");
  EXPECT_THAT(item(find(chunks_job()), "trigger functions that store").objects,
              ElementsAre("function public.keep_it(), called by trigger b",
                          "function public.log_it(), called by trigger a"));
  EXPECT_THAT(whats(find(job_in(KeyMode::expression))), Not(Contains(HasSubstr("store whole"))));
}

TEST_F(ImpactTest, NothingIsBoundToAPlainTable) {
  execute("CREATE TABLE t (id int PRIMARY KEY, c text CHECK (c <> ''), up int REFERENCES t)");
  EXPECT_THAT(whats(find(job_for("t", "id % 4"))),
              Not(Contains(::testing::AnyOf(HasSubstr("bound"), HasSubstr("functions"),
                                            HasSubstr("views"), HasSubstr("name a leaf")))));
}

TEST_F(ImpactTest, UniqueOnlyWithinALeaf) {
  execute("CREATE TABLE t (id int PRIMARY KEY, k int, name text, UNIQUE (k, name))");
  const Impact weaker = item(find(job_for("t", "k % 4")), "uniqueness holds");
  EXPECT_THAT(weaker.objects, ElementsAre("t_pkey PRIMARY KEY (id)"));
  EXPECT_THAT(whats(find(job_for("t", "abs(hashtext(k::text)) % 4"))),
              Contains(HasSubstr("uniqueness")));
  EXPECT_THAT(whats(find(chunks_job())), Not(Contains(HasSubstr("uniqueness"))));
}

TEST_F(ImpactTest, EachModeHasItsOwnList) {
  const auto generated = find(job_in(KeyMode::generated));
  EXPECT_THAT(whats(generated), Not(Contains(HasSubstr("must supply"))));
  EXPECT_THAT(item(generated, "columns of the table change").objects,
              ElementsAre("partition_key is new and cannot be written"));
  EXPECT_THAT(item(generated, "only conditions on the whole key expression").objects,
              ElementsAre("partitioned today by HASH (collection_id)"));
  EXPECT_THAT(whats(generated), Contains(HasSubstr("a prepared SELECT *")));
  const auto expression = find(job_in(KeyMode::expression));
  EXPECT_THAT(whats(expression), Not(Contains(HasSubstr("must supply"))));
  EXPECT_THAT(whats(expression), Not(Contains(HasSubstr("a prepared SELECT *"))));
  EXPECT_THAT(whats(expression), Not(Contains(HasSubstr("columns of the table change"))));
  EXPECT_THAT(item(find(job_in(KeyMode::check)), "only conditions on partition_key").advice,
              HasSubstr("reads all 4 leaves"));
}

TEST_F(ImpactTest, ColumnsThatChange) {
  execute("ALTER TABLE chunks ADD meta json");
  execute(
      "CREATE FUNCTION by_row() RETURNS void LANGUAGE plpgsql AS 'DECLARE r chunks%ROWTYPE; "
      "BEGIN END'; CREATE FUNCTION by_star() RETURNS void LANGUAGE plpgsql AS 'DECLARE r record; "
      "BEGIN SELECT c.* INTO r FROM public.chunks c; END'");
  JobDescription job = job_in(KeyMode::expression);
  job.map = {{"metadata", "meta::jsonb"}};
  job.skip = {"meta"};
  const auto found = find(job);
  EXPECT_THAT(item(found, "columns of the table change").objects,
              ElementsAre(AllOf(HasSubstr("metadata is new, from "), HasSubstr("meta::jsonb")),
                          "meta does not reach the target"));
  EXPECT_THAT(
      item(found, "a prepared SELECT *").objects,
      ElementsAre("function public.by_row() (by text)", "function public.by_star() (by text)"));
}

TEST_F(ImpactTest, LayoutsByColumnsSayWhatNeedsNoChange) {
  execute(kApplication);
  JobDescription job = chunks_job();
  job.key.clear();
  job.layout.by = "HASH (collection_id)";
  const auto same = find(job);
  EXPECT_THAT(item(same, "models of an ORM need no change").what,
              HasSubstr("inserts need no change"));
  EXPECT_THAT(item(same, "unique constraints need no change").objects,
              Contains(HasSubstr("PRIMARY KEY (id, collection_id)")));
  EXPECT_THAT(item(same, "foreign keys that refer to the table stay").objects,
              ElementsAre(HasSubstr("child_to_chunk on public.child")));
  EXPECT_THAT(item(same, "only conditions on collection_id").advice,
              HasSubstr("reads all 4 leaves"));
  for (const std::string& what : whats(same)) {
    EXPECT_THAT(what, Not(AnyOf(HasSubstr("inserts must"), HasSubstr("ON CONFLICT"),
                                HasSubstr("GROUP BY"), HasSubstr("move the row"),
                                HasSubstr("find no unique"), HasSubstr("SELECT *"))));
  }

  job.layout.by = "HASH (document_id)";
  const auto other = find(job);
  EXPECT_THAT(item(other, "ON CONFLICT").advice, HasSubstr("add document_id"));
  EXPECT_THAT(item(other, "GROUP BY id, collection_id").advice, HasSubstr("add document_id"));
  EXPECT_THAT(item(other, "foreign keys that refer to the table find").advice,
              HasSubstr("a column for document_id"));
  EXPECT_THAT(item(other, "an update of document_id").advice, HasSubstr("must be retried"));
  EXPECT_THAT(item(other, "only conditions on document_id").objects,
              ElementsAre("partitioned today by HASH (collection_id)"));
}

TEST_F(ImpactTest, NamesWithSpecialCharacters) {
  execute(
      "CREATE SCHEMA \"s.x\"; CREATE TABLE \"s.x\".\"T (1)\" (id int PRIMARY KEY, k int);"
      "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS 'BEGIN INSERT INTO \"s.x\" . \"T "
      "(1)\" VALUES (1, 1); END'");
  EXPECT_THAT(item(find(job_for("\"s.x\".\"T (1)\"", "k % 4")), "inserts must supply").objects,
              ElementsAre("function public.f() (by text)"));
}

}  // namespace
}  // namespace pgfanout

// The proof of the key: the server is asked, inside and outside of transactions, about rows of the
// table and about values that no table has.
#include "copier/key/key_proof.h"

#include "copier/key/key_plan.h"
#include "copier/preflight/key_command.h"
#include "tests/integration/plan_fixture.h"

namespace pgfanout {
namespace {

using ::testing::HasSubstr;
using testing::succeeded;

class PlanKeyProofTest : public testing::PlanFixture {
 protected:
  struct Proven {
    Result<KeyProof> proof;
    bool is_usable;  ///< The transaction, afterwards.
  };

  [[nodiscard]] Proven prove(const std::string& table, const std::string& key,
                             std::uint64_t count = kDefaultProofRows) const {
    Connection connection = open();
    auto described = describe_table(connection, table);
    if (!described) return {std::move(described).error(), false};
    auto compiled = KeyExpression::compile(key, key_columns_of(*described));
    if (!compiled) return {std::move(compiled).error(), false};
    (void)connection.run("BEGIN ISOLATION LEVEL REPEATABLE READ");
    auto proof = prove_key(connection, *described, *compiled, count, 7);
    const bool is_usable = static_cast<bool>(connection.query("SELECT 1"));
    return {std::move(proof), is_usable};
  }
};

TEST_F(PlanKeyProofTest, AgreesForEveryType) {
  execute(
      "CREATE DOMAIN name AS text; CREATE TABLE t (t text, v varchar(5), c char(4), u uuid, b "
      "bytea, "
      "o boolean, i2 int2, i4 int4, i8 int8, d public.name, \"Odd \"\"Name\" text, place int);"
      "INSERT INTO t SELECT 'k' || n, left(n::text, 5), 'c', md5(n::text)::uuid, 'x', true, n % "
      "100, n, "
      "n, 'd' || n, 'q' || n, n FROM generate_series(1, 3000) n");
  for (const char* key :
       {"abs(hashtext(t)) % 100", "abs(hashtext(v::text)) % 100", "abs(hashtext(u::text)) % 100",
        "abs(hashtext(c::text)) % 100", "uuid_hash(u) % 100", "hashint8(i8) % 7", "i2 % 100",
        "i4 % 7", "i8 % 1000", "abs(hashtext(d)) % 16", "abs(hashtext(\"Odd \"\"Name\")) % 16",
        "place % 16", "hashtextextended(t, 3) % 10", "abs(hashtext(t)) % i4"}) {
    const Proven proven = prove("t", key);
    ASSERT_TRUE(succeeded(proven.proof)) << key;
    EXPECT_GT(proven.proof->compared, 1000U) << key;
    EXPECT_TRUE(proven.is_usable) << key;
  }
}

TEST_F(PlanKeyProofTest, RowsWithErrorsAgreeToo) {
  execute(
      "CREATE TABLE t (t text, n int); INSERT INTO t SELECT 'k' || i, i % 5 FROM "
      "generate_series(1, "
      "200) i; INSERT INTO t VALUES ('c1606105947x', 1), (NULL, 1), ('x', NULL)");
  for (const char* key : {"abs(hashtext(t)) % 100", "100 / n", "abs(hashtext(t)) % n"}) {
    const Proven proven = prove("t", key);
    ASSERT_TRUE(succeeded(proven.proof)) << key;
    EXPECT_TRUE(proven.is_usable) << key;
  }
}

TEST_F(PlanKeyProofTest, WorksOnEmptyAndDividedTables) {
  execute(
      "CREATE TABLE e (t text); CREATE TABLE p (t text) PARTITION BY HASH (t);"
      "CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
      "CREATE TABLE p2 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
      "INSERT INTO p SELECT 'k' || n FROM generate_series(1, 5000) n");
  EXPECT_TRUE(succeeded(prove("e", "abs(hashtext(t)) % 4").proof));
  const Proven proven = prove("p", "abs(hashtext(t)) % 4");
  ASSERT_TRUE(succeeded(proven.proof));
  EXPECT_GT(proven.proof->compared, 2000U);
  EXPECT_TRUE(succeeded(prove("p", "1").proof));
}

TEST_F(PlanKeyProofTest, OtherEncodings) {
  for (const char* encoding : {"LATIN1", "SQL_ASCII"}) {
    const std::string other = server().create_database("enc", encoding);
    server().execute(other, "CREATE TABLE t (t text); INSERT INTO t VALUES ('a')");
    Connection connection = open(server().dsn(other));
    const auto table = describe_table(connection, "t");
    const auto key = KeyExpression::compile("abs(hashtext(t)) % 100", key_columns_of(*table));
    EXPECT_TRUE(succeeded(prove_key(connection, *table, *key))) << encoding;
  }
}

TEST_F(PlanKeyProofTest, DisagreementIsFound) {
  // The server's own text calls another hash than the compiled one: what a server that hashes
  // otherwise looks like.
  execute("CREATE TABLE t (t text); INSERT INTO t SELECT 'k' || n FROM generate_series(1, 10) n");
  Connection connection = open();
  auto table = describe_table(connection, "t");
  ASSERT_TRUE(succeeded(table));
  const auto key = KeyExpression::compile("abs(hashtext(t)) % 100", key_columns_of(*table));
  ASSERT_TRUE(succeeded(key));
  ASSERT_TRUE(connection.run(
      "CREATE SCHEMA capture; CREATE FUNCTION capture.hashtext(text) RETURNS int IMMUTABLE "
      "LANGUAGE "
      "sql AS 'SELECT pg_catalog.length($1)'; SET search_path = capture, pg_catalog"));
  const auto proof = prove_key(connection, *table, *key);
  ASSERT_FALSE(proof);
  EXPECT_EQ(proof.error().code, "key-disagrees");
  EXPECT_THAT(proof.error().message, HasSubstr("abs(hashtext(t)) % 100"));
  EXPECT_THAT(proof.error().message, HasSubstr("the server says key"));
  EXPECT_THAT(proof.error().hint, HasSubstr("big-endian"));

  // Without abs() no value is out of range on either side: the keys alone differ.
  const auto plain = KeyExpression::compile("hashtext(t)", key_columns_of(*table));
  ASSERT_TRUE(succeeded(plain));
  const auto plain_proof = prove_key(connection, *table, *plain);
  ASSERT_FALSE(plain_proof);
  EXPECT_EQ(plain_proof.error().code, "key-disagrees");
}

TEST_F(PlanKeyProofTest, LooksAtASampleHoweverLargeTheTableIs) {
  execute(
      "CREATE TABLE t (t text); INSERT INTO t SELECT md5(n::text) FROM generate_series(1, 30000) "
      "n");
  const Proven proven = prove("t", "abs(hashtext(t)) % 100");
  ASSERT_TRUE(succeeded(proven.proof));
  EXPECT_LT(proven.proof->compared, 10000U);
}

TEST_F(PlanKeyProofTest, KeyCommandAnswersAndCompares) {
  execute(
      "CREATE TABLE t (c text, n int); CREATE TABLE t_new (c text, n int, partition_key int) "
      "PARTITION "
      "BY LIST (partition_key); CREATE TABLE leaf PARTITION OF t_new FOR VALUES IN (0, 1, 2, 3)");
  JobDescription job = job_for("t", "abs(hashtext(c)) % 4");
  job.source_dsn = server().dsn(database);
  const Cancellation never;
  KeyQuestion question;
  question.values = {"abc", "c=it's", "c1606105947x", ""};
  question.check = 200;
  const JobResult result = run_key(job, question, never);
  const auto& report = std::get<KeyResult>(result.details);
  ASSERT_FALSE(result.error) << result.error->message;
  EXPECT_EQ(result.verdict, Verdict::match);
  ASSERT_EQ(report.answers.size(), 4U);
  for (const KeyAnswer& answer : report.answers) EXPECT_TRUE(answer.server_agrees);
  EXPECT_EQ(std::to_string(*report.answers[0].key), value("SELECT abs(hashtext('abc')) % 4"));
  EXPECT_EQ(report.answers[0].leaf, "public.leaf");
  EXPECT_EQ(std::to_string(*report.answers[1].key), value("SELECT abs(hashtext('it''s')) % 4"));
  EXPECT_FALSE(report.answers[2].key);
  EXPECT_FALSE(report.answers[2].reason.empty());
  EXPECT_GE(report.compared, 200U);

  job.key = "(abs(hashtext(c)) + n) % 4";
  question = {{"c=a", "n=5", "n=6", "c=b"}, 0, 1};
  const JobResult two = run_key(job, question, never);
  EXPECT_FALSE(two.error);
  EXPECT_EQ(std::get<KeyResult>(two.details).answers.size(), 2U);
  question.values = {"c=a"};
  auto incomplete = run_key(job, question, never);
  ASSERT_TRUE(incomplete.error);
  EXPECT_EQ(incomplete.error->code, "bad-value");
  EXPECT_THAT(incomplete.error->hint, HasSubstr("n="));
  question.values = {"c=a", "n=seven"};
  incomplete = run_key(job, question, never);
  ASSERT_TRUE(incomplete.error);
  EXPECT_EQ(incomplete.error->code, "bad-value");
  question.values = {"a"};
  EXPECT_EQ(run_key(job, question, never).error->code, "bad-value");
}

}  // namespace
}  // namespace pgfanout

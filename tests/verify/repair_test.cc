// Which statements a repair runs for rows that a comparison named, and when it refuses to.
#include "copier/verify/repair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Repair : public ::testing::Test {
 protected:
  /// Columns id, note and a computed one.
  static VerifyPlan plan_with(const std::optional<std::string>& key_column) {
    const std::vector<KeyColumn> columns = {{"id", KeyType::int4, "integer"}};
    VerifyPlan plan(KeyExpression::compile("id % 2", columns).value());
    plan.target.schema = "public";
    plan.target.name = "t_new";
    plan.target.qualified = "public.t_new";
    for (const char* name : {"id", "note", "twice"}) {
      const std::string type = name == std::string("note") ? "text" : "integer";
      plan.columns.push_back({name, name, name, type, 23, std::nullopt});
      Column column;
      column.name = column.quoted = name;
      column.generated = name == std::string("twice") ? 's' : '\0';
      plan.target.columns.push_back(column);
    }
    for (const std::uint32_t oid : {70U, 71U}) plan.target.leaves.emplace_back().oid = oid;
    plan.has_key = plan.key_is_stated = true;
    plan.key_column = plan.target_key_column = key_column;
    plan.key_sql_on_target = "id OPERATOR(pg_catalog.%) 2";
    return plan;
  }

  void find(const std::string& kind, std::vector<std::string> columns = {}) {
    FoundDifference difference;
    difference.named.kind = kind;
    difference.named.columns = std::move(columns);
    if (kind != "extra" && kind != "misplaced") difference.source.emplace();
    if (kind != "missing") {
      difference.target.emplace();
      difference.target->address = {1, "(0,7)"};
    }
    std::uint64_t& count = kind == "missing"   ? found.counts.missing
                           : kind == "extra"   ? found.counts.extra
                           : kind == "changed" ? found.counts.changed
                                               : found.counts.misplaced;
    ++count;
    found.rows.push_back(std::move(difference));
  }

  FoundDifferences found;
  static constexpr const char* kNew =
      "(SELECT $1::integer AS id, $2::text AS note, $3::integer AS twice) AS pgfanout_new";
  static constexpr const char* kPlace =
      " WHERE tableoid OPERATOR(pg_catalog.=) 71 AND ctid OPERATOR(pg_catalog.=) '(0,7)'";
};

TEST_F(Repair, KeyThatNobodyStatedIsNotWrittenAnew) {
  VerifyPlan plan = plan_with("partition_key");
  plan.key_is_stated = false;
  plan.columns[0].source_column = 0;
  find("missing");
  find("changed", {"note"});
  find("changed", {"id"});
  const auto planned = plan_repair(plan, found);
  ASSERT_TRUE(planned.has_value());
  EXPECT_THAT(planned->statements[0], HasSubstr("partition_key"));
  EXPECT_THAT(planned->statements[1], Not(HasSubstr("partition_key")));
  EXPECT_THAT(planned->statements[2], HasSubstr("partition_key")) << "the key is made from id";
  find("misplaced");
  EXPECT_EQ(plan_repair(plan, found).error().code, "key-not-stated");
  EXPECT_THAT(plan_repair(plan, found).error().hint, HasSubstr("--key 'id % 2'"));
}

TEST_F(Repair, StoredKeyThatIsComparedAsItIsIsNotRepaired) {
  VerifyPlan plan = plan_with(std::nullopt);
  plan.has_key = plan.key_is_stated = false;
  plan.compared_key_column = "id";
  find("changed", {"note"});
  EXPECT_TRUE(plan_repair(plan, found).has_value());
  find("changed", {"note", "id"});
  EXPECT_EQ(plan_repair(plan, found).error().code, "key-not-stated");
}

TEST_F(Repair, EachKindHasItsStatementAndTouchesTheNamedRowAlone) {
  find("missing");
  find("changed", {"note"});
  find("extra");
  find("misplaced");
  const auto planned = plan_repair(plan_with("partition_key"), found);
  ASSERT_TRUE(planned);
  const std::string key = "(id OPERATOR(pg_catalog.%) 2)";
  EXPECT_THAT(planned->statements,
              ElementsAre("INSERT INTO public.t_new (id, note, partition_key) OVERRIDING SYSTEM "
                          "VALUE SELECT pgfanout_new.id, pgfanout_new.note, " +
                              key + " FROM " + kNew,
                          "UPDATE public.t_new SET (note, partition_key) = (SELECT "
                          "pgfanout_new.note, " +
                              key + " FROM " + kNew + ")" + kPlace,
                          std::string("DELETE FROM public.t_new") + kPlace,
                          "UPDATE public.t_new SET partition_key = " + key + kPlace));
  EXPECT_THAT(planned->summary,
              ElementsAre("1 row will be updated", "1 row will be deleted",
                          "1 row will be moved to their leaf", "1 row will be inserted"));
}

TEST_F(Repair, ColumnsThatTheServerComputesAreNotWritten) {
  find("changed", {"twice"});
  VerifyPlan generated = plan_with("partition_key");
  generated.key_is_generated = true;
  const auto none = plan_repair(generated, found);
  ASSERT_TRUE(none);
  EXPECT_THAT(none->statements, ::testing::IsEmpty());
  find("missing");
  find("misplaced");
  const auto planned = plan_repair(generated, found);
  ASSERT_TRUE(planned);
  EXPECT_THAT(planned->statements,
              ElementsAre(HasSubstr("(id, note) OVERRIDING"), HasSubstr("SET note = note WHERE")));
}

TEST_F(Repair, WithoutAStoredKeyARowMovesByAnyColumn) {
  find("misplaced");
  const auto planned = plan_repair(plan_with(std::nullopt), found);
  ASSERT_TRUE(planned);
  EXPECT_THAT(planned->statements,
              ElementsAre(std::string("UPDATE public.t_new SET note = note") + kPlace));
}

TEST_F(Repair, RowsThatWereNotNamedAreARefusal) {
  find("extra");
  found.counts.missing = 1;
  const auto planned = plan_repair(plan_with("partition_key"), found);
  ASSERT_FALSE(planned);
  EXPECT_EQ(planned.error().code, "too-many-differences");
  EXPECT_EQ(planned.error().consequence, Consequence::refuse);
  EXPECT_EQ(planned.error().hint, "--max-differences 2");
}

}  // namespace
}  // namespace pgfanout

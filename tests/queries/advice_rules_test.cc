#include "copier/queries/advice_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Texts = std::vector<std::string>;

Column column(const std::string& name, const std::string& type) {
  Column made;
  made.name = made.quoted = name;
  made.type_sql = type;
  return made;
}

AdviceFacts facts() {
  AdviceFacts made;
  made.table = "chunks";
  made.relations = {"public.chunks", "public.chunks_p0", "public.chunks_p1"};
  made.columns = {column("id", "uuid"),
                  column("col", "character varying(255)"),
                  column("doc", "text"),
                  column("content", "text"),
                  column("meta", "jsonb"),
                  column("tags", "text[]"),
                  column("open", "boolean"),
                  column("tokens", "integer"),
                  column("status", "text"),
                  column("created", "timestamp with time zone"),
                  column("partition_key", "integer")};
  made.primary_key = {"id", "col"};
  made.distinct = {{"status", 4}, {"doc", 100000}};
  made.indexes = {{"chunks_pkey", "btree", true, true, {"id", "col"}, {}, ""}};
  return made;
}

/// A query over two leaves, each with that filter.
AdvicePattern pattern(const std::string& query, const std::string& condition, Texts sort = {},
                      Texts output = {"count(*)"}, double share = 1) {
  AdvicePattern made{query, share, false, false, {}};
  for (const char* leaf : {"public.chunks_p0", "public.chunks_p1"}) {
    made.plan.scans.push_back({"Seq Scan", leaf, "", conditions_of(condition)});
  }
  made.plan.sort_keys = std::move(sort);
  made.plan.output = std::move(output);
  return made;
}

Texts definitions(const std::vector<AdvicePattern>& patterns, const AdviceFacts& known = facts()) {
  Texts found;
  for (const IndexAdvice& advice : advice_of(patterns, known)) {
    found.push_back(advice.kind + ": " + advice.definition);
  }
  return found;
}

struct Case {
  const char* condition;
  Texts sort;
  Texts output;
  const char* advice;
};

TEST(AdviceRulesTest, EachKindOfConditionHasItsIndex) {
  const Texts count = {"count(*)"};
  const std::vector<Case> cases = {
      {"(chunks_1.doc = 'x'::text)",
       {},
       count,
       "single: CREATE INDEX chunks_doc_idx ON {table} (doc)"},
      {"((c.created > now()) AND ((c.col)::text = 'x'::text))",
       {},
       count,
       "composite: CREATE INDEX chunks_col_created_idx ON {table} (col, created)"},
      {"((chunks_1.col)::text = 'x'::text)",
       {"chunks_1.created DESC"},
       {"chunks.content"},
       "composite: CREATE INDEX chunks_col_created_idx ON {table} (col, created DESC)"},
      {"(chunks_1.doc = 'x'::text)",
       {},
       {"chunks.id", "chunks.tokens", "chunks.doc"},
       "covering: CREATE INDEX chunks_doc_idx ON {table} (doc) INCLUDE (id, tokens)"},
      {"((chunks_1.tokens IS NULL) AND (chunks_1.doc = 'x'::text))",
       {},
       count,
       "partial: CREATE INDEX chunks_doc_part_idx ON {table} (doc) WHERE tokens IS NULL"},
      {"(NOT chunks_1.open)",
       {"chunks_1.created"},
       count,
       "partial: CREATE INDEX chunks_created_part_idx ON {table} (created) WHERE NOT open"},
      {"chunks_1.open",
       {},
       count,
       "partial: CREATE INDEX chunks_id_part_idx ON {table} (id) WHERE open"},
      {"(lower(chunks_1.doc) = 'x'::text)",
       {},
       count,
       "expression: CREATE INDEX chunks_doc_idx ON {table} ((lower(doc)))"},
      {"((chunks_1.meta ->> 'lang'::text) = 'en'::text)",
       {},
       count,
       "expression: CREATE INDEX chunks_meta_idx ON {table} ((meta ->> 'lang'::text))"},
      {"(to_tsvector('english'::regconfig, chunks_1.content) @@ to_tsquery('x'::text))",
       {},
       {},
       "gin: CREATE INDEX chunks_content_gin_idx ON {table} USING gin "
       "((to_tsvector('english'::regconfig, content)))"},
      {"(chunks_1.meta @> '{\"a\": 1}'::jsonb)",
       {},
       {},
       "gin: CREATE INDEX chunks_meta_gin_idx ON {table} USING gin (meta jsonb_path_ops)"},
      {"(chunks_1.tags && '{a}'::text[])",
       {},
       {},
       "gin: CREATE INDEX chunks_tags_gin_idx ON {table} USING gin (tags)"},
      {"(chunks_1.\"odd name\" = 5)",
       {"c.\"odd name\"", "c.doc DESC NULLS LAST"},
       count,
       "composite: CREATE INDEX \"chunks_odd name_doc_idx\" ON {table} (\"odd name\", doc DESC "
       "NULLS LAST)"},
      {"(chunks_1.doc = 'x'::text)",
       {"c.\"odd name\""},
       count,
       "composite: CREATE INDEX \"chunks_doc_odd name_idx\" ON {table} (doc, \"odd name\")"},
      {"(chunks_1.content ~~ '%x%'::text)",
       {},
       {},
       "gin: CREATE INDEX chunks_content_gin_idx ON {table} USING gin (content gin_trgm_ops)"},
  };
  AdviceFacts known = facts();
  known.has_trigrams = true;
  known.columns.push_back(column("odd name", "integer"));
  known.columns.back().quoted = "\"odd name\"";
  known.columns.push_back(column("odd name", "integer"));
  known.columns.back().quoted = "\"odd name\"";
  for (const Case& each : cases) {
    EXPECT_THAT(definitions({pattern("q", each.condition, each.sort, each.output)}, known),
                ElementsAre(each.advice))
        << each.condition;
  }
}

TEST(AdviceRulesTest, NothingThatIsThereOrHelpsNobody) {
  AdviceFacts known = facts();
  known.indexes.push_back({"i", "btree", false, false, {"doc", "col", "created"}, {"id"}, ""});
  known.indexes.push_back({"p", "btree", false, false, {"col"}, {"id"}, "(tokens IS NULL)"});
  known.indexes.push_back(
      {"g", "gin", false, false, {"to_tsvector('english'::regconfig, content)"}, {}, ""});
  const auto none = [&](const std::string& condition, Texts sort = {}) {
    EXPECT_THAT(definitions({pattern("q", condition, std::move(sort), {"chunks.id"})}, known),
                IsEmpty())
        << condition;
  };
  none("(c.doc = 'x'::text)");
  none("(((c.col)::text = 'y'::text) AND (c.doc = 'x'::text))", {"c.created DESC"});
  none("((c.tokens IS NULL) AND ((c.col)::text = 'y'::text))");
  none("((c.id = 'x'::uuid) AND ((c.col)::text = 'y'::text) AND (c.tokens = 5))");
  none("(to_tsvector('english'::regconfig, c.content) @@ to_tsquery('x'::text))");
  none("(c.content ~~ '%x%'::text)");  // Without pg_trgm.
  none("(c.content ~~ 'x%'::text)");
  none("((c.doc = 'x'::text) OR (c.tokens = 5))");
  AdvicePattern elsewhere = pattern("q", "(u.doc = 'x'::text)");
  for (PlanScan& scan : elsewhere.plan.scans) scan.relation = "public.users";
  EXPECT_THAT(definitions({elsewhere}, known), IsEmpty());
}

TEST(AdviceRulesTest, AConstantOfFewValuesThatRecursMakesAPartialIndex) {
  const auto first = pattern("a", "((c.status = 'open'::text) AND (c.tokens = 5))");
  const auto second = pattern("b", "((c.status = 'open'::text) AND (c.doc = 'x'::text))");
  EXPECT_THAT(
      definitions({first}),
      ElementsAre("composite: CREATE INDEX chunks_status_tokens_idx ON {table} (status, tokens)"));
  EXPECT_THAT(
      definitions({first, second}),
      ElementsAre("partial: CREATE INDEX chunks_tokens_part_idx ON {table} (tokens) WHERE status = "
                  "'open'::text",
                  "partial: CREATE INDEX chunks_doc_part_idx ON {table} (doc) WHERE status = "
                  "'open'::text"));
}

TEST(AdviceRulesTest, AQueryWithoutTheKeyGetsTheCondition) {
  AdviceFacts known = facts();
  known.key = "partition_key";
  known.key_sql = "abs(hashtext(col::text)) % 100";
  known.key_inputs = {"col"};
  known.indexes.push_back({"c", "btree", false, false, {"col"}, {}, ""});
  const auto by_col = pattern("q", "((c.col)::text = 'x'::text)");
  EXPECT_THAT(definitions({by_col}, known),
              ElementsAre("key-condition: AND partition_key = abs(hashtext('x'::text)) % 100"));
  EXPECT_THAT(
      definitions({pattern("q", "(((c.col)::text = 'x'::text) AND (c.partition_key = 5))")}, known),
      IsEmpty());
  AdvicePattern prepared = pattern("q", "((c.col)::text = $1)");
  EXPECT_THAT(definitions({prepared}, known), IsEmpty()) << "$1 of a subquery";
  prepared.has_parameters = true;
  EXPECT_THAT(definitions({prepared}, known),
              ElementsAre("key-condition: AND partition_key = abs(hashtext($1::text)) % 100"));
  AdvicePattern changed = by_col;
  changed.gives_key = true;
  EXPECT_THAT(definitions({changed}, known), IsEmpty());
  known.key = "(" + known.key_sql + ")";
  EXPECT_THAT(definitions({pattern("q",
                                   "(((c.col)::text = 'x'::text) AND "
                                   "((abs(hashtext((c.col)::text)) % 100) = 7))")},
                          known),
              IsEmpty());
}

TEST(AdviceRulesTest, PriorityIsTheShareOfAllQueriesThatItHelps) {
  const auto advice = advice_of({pattern("rare", "(c.tokens = 5)", {}, {"count(*)"}, 0.05),
                                 pattern("a", "(c.doc = 'x'::text)", {}, {"count(*)"}, 0.2),
                                 pattern("b", "(c.doc = 'y'::text)", {}, {"count(*)"}, 0.25)},
                                facts());
  ASSERT_EQ(advice.size(), 2U);
  EXPECT_EQ(advice[0].priority, "high");
  EXPECT_EQ(advice[0].query, "a, b");
  EXPECT_EQ(advice[1].priority, "low");
  AdviceFacts taken = facts();
  taken.indexes.push_back({"chunks_tokens_idx", "brin", false, false, {"tokens"}, {}, ""});
  EXPECT_THAT(definitions({pattern("q", "(c.tokens = 5)")}, taken),
              ElementsAre("single: CREATE INDEX chunks_tokens_idx1 ON {table} (tokens)"));
}

TEST(AdviceRulesTest, RedundantIndexesAreTold) {
  const auto told = [](const std::vector<KnownIndex>& indexes) {
    Texts names;
    for (const Issue& issue : redundant_indexes(indexes, "t")) names.push_back(issue.message);
    return names;
  };
  const KnownIndex a{"a", "btree", false, false, {"x"}, {}, ""};
  const KnownIndex ab{"ab", "btree", false, false, {"x", "y"}, {}, ""};
  EXPECT_THAT(told({a, ab}), ElementsAre(HasSubstr("index a has the first columns of index ab")));
  KnownIndex twin = a;
  twin.name = "twin";
  EXPECT_THAT(told({a, twin}),
              ElementsAre(HasSubstr("index twin has the first columns of index a")));
  KnownIndex unique = a;
  unique.is_unique = true;
  EXPECT_THAT(told({unique, ab}), IsEmpty());
  EXPECT_THAT(told({a, unique}), ElementsAre(HasSubstr("index a ")));
  KnownIndex partial = a;
  partial.where = "z IS NULL";
  EXPECT_THAT(told({partial, ab}), IsEmpty());
  KnownIndex covering = a;
  covering.included = {"z"};
  EXPECT_THAT(told({covering, ab}), IsEmpty());
}

}  // namespace
}  // namespace pgfanout

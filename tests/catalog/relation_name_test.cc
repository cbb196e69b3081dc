#include "copier/catalog/relation_name.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(RelationNameTest, FoldsAndUnquotesAsSqlDoes) {
  struct Case {
    const char* written;
    const char* schema;
    const char* name;
  };
  for (const Case& at :
       {Case{"chunks", "", "chunks"}, Case{"Chunks", "", "chunks"},
        Case{"\"Chunks\"", "", "Chunks"}, Case{"Public.CHUNKS", "public", "chunks"},
        Case{"\"a b\".\"c\"\"d\"", "a b", "c\"d"}, Case{"a.\"x.y\"", "a", "x.y"},
        Case{" chunks ", "", "chunks"}, Case{"_x$1", "", "_x$1"},
        Case{"gr\xc3\xb6\xc3\x9f"
             "e",
             "",
             "gr\xc3\xb6\xc3\x9f"
             "e"}}) {
    const auto parsed = parse_relation_name(at.written);
    ASSERT_TRUE(parsed) << at.written;
    EXPECT_EQ(parsed->schema, at.schema) << at.written;
    EXPECT_EQ(parsed->name, at.name) << at.written;
  }
}

TEST(RelationNameTest, RefusesTheRest) {
  for (const char* written : {"", " ", "a b", "a-b", "1a", "a.", ".a", "a.b.c", "\"a", "a\"",
                              "\"\"", "\"a\"b", "a;drop table b", "a.\"\"", "*"}) {
    const auto parsed = parse_relation_name(written);
    ASSERT_FALSE(parsed) << written;
    EXPECT_EQ(parsed.error().code, "bad-name") << written;
    EXPECT_FALSE(parsed.error().hint.empty()) << written;
  }
}

TEST(SuffixedNameTest, ShortNamesAreJustJoined) {
  EXPECT_EQ(suffixed_name("chunks", "_new"), "chunks_new");
  const std::string exact(58, 'a');
  EXPECT_EQ(suffixed_name(exact, "_p00"), exact + "_p00");
}

TEST(SuffixedNameTest, LongNamesStayApart) {
  const std::string stem(63, 'a');
  std::set<std::string> names;
  for (const char* suffix : {"_p00", "_p01", "_new"}) names.insert(suffixed_name(stem, suffix));
  names.insert(suffixed_name(std::string(62, 'a') + "b", "_p00"));
  EXPECT_EQ(names.size(), 4U);
  for (const std::string& name : names) EXPECT_EQ(name.size(), kMaxMadeNameBytes);
  EXPECT_TRUE(suffixed_name(stem, "_p00").ends_with("_p00"));
}

TEST(SuffixedNameTest, CutsBetweenCharacters) {
  std::string name;
  while (name.size() < 62) name += "\xc3\xa9";
  for (const char* lead : {"", "x"}) {
    const std::string cut = suffixed_name(lead + name, "_p00");
    EXPECT_LE(cut.size(), kMaxNameBytes);
    const std::string kept = cut.substr(0, cut.size() - 13);
    EXPECT_EQ(kept.size() % 2, std::string(lead).size() % 2) << cut;
  }
}

TEST(DisplayNameTest, QuotesWhereNeeded) {
  EXPECT_EQ(display_name("chunks_2"), "chunks_2");
  EXPECT_EQ(display_name("Chunks"), "\"Chunks\"");
  EXPECT_EQ(display_name("2x"), "\"2x\"");
  EXPECT_EQ(display_name("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(display_name(""), "\"\"");
  EXPECT_EQ(quoted_name("plain"), "\"plain\"");
  EXPECT_EQ(quoted_name("a.b", "c\"d"), "\"a.b\".\"c\"\"d\"");
}

TEST(NearNamesTest, NearestFirstAndNothingFar) {
  EXPECT_THAT(near_names("chnuks", {"documents", "chunks", "chunks_new", "trunks"}),
              ElementsAre("chunks"));
  EXPECT_THAT(near_names("Chunk", {"chunks", "chunk"}), ElementsAre("chunk", "chunks"));
  EXPECT_THAT(near_names("zzz", {"chunks"}), IsEmpty());
  EXPECT_EQ(near_names_hint("chunk", {"chunks", "Chunk"}), "did you mean \"Chunk\" or chunks?");
  EXPECT_EQ(near_names_hint("q", {}), "");
}

}  // namespace
}  // namespace pgfanout

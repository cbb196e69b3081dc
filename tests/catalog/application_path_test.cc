#include "copier/catalog/application_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SchemasOfPath, AreReadAsTheServerReadsThem) {
  EXPECT_THAT(schemas_of_path("app, public", "r"), ElementsAre("app", "public"));
  EXPECT_THAT(schemas_of_path("\"$user\", public", "Bob"), ElementsAre("Bob", "public"));
  EXPECT_THAT(schemas_of_path("$user,App", "bob"), ElementsAre("bob", "app"));
  EXPECT_THAT(schemas_of_path("\"we\"\"ird, x\" , \" b \"", "r"), ElementsAre("we\"ird, x", " b "));
  EXPECT_THAT(schemas_of_path("", "r"), IsEmpty());
  EXPECT_THAT(schemas_of_path("\"\"", "r"), ElementsAre(""));
}

PathCandidate owner(std::string path, bool is_of_role, bool is_application) {
  return {"owner", std::move(path), true, is_of_role, is_application, "of the database"};
}
PathCandidate writer(std::string name, std::string path) {
  return {std::move(name), std::move(path), false, true, true, "of role w"};
}

TEST(ChoosePath, IsTheOwnersWhereItIsSetForTheOwner) {
  const ApplicationPath path = choose_path({owner("a, public", true, false), writer("w", "b")});
  EXPECT_EQ(path.sql, "'a', 'public'");
  EXPECT_EQ(path.role, "owner");
  EXPECT_THAT(path.others, ElementsAre("role w: b"));
}

TEST(ChoosePath, IsThatOfAllRolesOfTheApplicationWhereTheyAgree) {
  const ApplicationPath path =
      choose_path({owner("x", false, false), writer("v", "app"), writer("w", "app")});
  EXPECT_EQ(path.sql, "'app'");
  EXPECT_EQ(path.role, "v");
  EXPECT_EQ(path.origin, "of role w");
  EXPECT_THAT(path.others, IsEmpty());
}

TEST(ChoosePath, IsTheOwnersWhereTheyDoNotAgreeAndNamesTheOthers) {
  const ApplicationPath path =
      choose_path({owner("app", false, true), writer("Etl", "\"$user\", y"), writer("w", "app")});
  EXPECT_EQ(path.sql, "'app'");
  EXPECT_EQ(path.origin, "of the database");
  EXPECT_THAT(path.others, ElementsAre("role \"Etl\": \"Etl\", y"));
}

TEST(ChoosePath, QuotesForSet) {
  EXPECT_EQ(choose_path({owner("\"O'Brien\"", true, true)}).sql, "'O''Brien'");
  EXPECT_EQ(choose_path({owner("", true, true)}).sql, "''");
  EXPECT_EQ(choose_path({owner("\"\"", true, true)}).sql, "''");
}

}  // namespace
}  // namespace pgfanout

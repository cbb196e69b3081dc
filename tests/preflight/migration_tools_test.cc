// Whose table it is, by its columns, and what each tool's user is told.
#include "copier/preflight/migration_tools.h"

#include <gmock/gmock.h>

namespace pgfanout {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST(MigrationToolsTest, AToolIsKnownByItsColumns) {
  struct Case {
    std::string table;
    std::vector<std::string> columns;
    std::optional<MigrationTool> tool;
  };
  const std::vector<Case> cases = {
      {"schema_migrations", {"version", "dirty"}, MigrationTool::golang_migrate},
      {"schema_migrations", {"version"}, MigrationTool::rails},
      {"schema_migrations", {"id", "applied"}, std::nullopt},
      {"alembic_version", {"version_num"}, MigrationTool::alembic},
      {"alembic_version", {"version"}, std::nullopt},
      {"flyway_schema_history", {"installed_rank", "version", "success"}, MigrationTool::flyway},
      {"schema_version", {"installed_rank", "version", "success"}, MigrationTool::flyway},
      {"schema_version", {"version"}, std::nullopt},
      {"databasechangelog", {"id", "author", "orderexecuted"}, MigrationTool::liquibase},
      {"databasechangeloglock",
       {"id", "locked", "lockgranted", "lockedby"},
       MigrationTool::liquibase_lock},
      {"django_migrations", {"id", "app", "name", "applied"}, MigrationTool::django},
      {"other", {"version", "dirty"}, std::nullopt},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(tool_of(each.table, each.columns), each.tool) << each.table;
  }
}

TEST(MigrationToolsTest, TheUserIsToldWhatToRecordAndHow) {
  const auto recording = [](MigrationTool tool) {
    return advice_of(tool, "public.t", "version 7").recording;
  };
  EXPECT_THAT(recording(MigrationTool::golang_migrate), HasSubstr("migrate -path DIR"));
  EXPECT_THAT(recording(MigrationTool::alembic), HasSubstr("'alembic stamp head'"));
  EXPECT_THAT(recording(MigrationTool::flyway), HasSubstr("'flyway migrate'"));
  EXPECT_THAT(recording(MigrationTool::liquibase), HasSubstr("'liquibase changelog-sync'"));
  EXPECT_THAT(recording(MigrationTool::django), HasSubstr("--fake'"));
  EXPECT_THAT(recording(MigrationTool::rails), HasSubstr("INSERT INTO schema_migrations"));
  EXPECT_THAT(recording(MigrationTool::liquibase_lock), IsEmpty());
}

TEST(MigrationToolsTest, WhatIsHalfDoneHasACure) {
  for (const MigrationTool tool :
       {MigrationTool::golang_migrate, MigrationTool::flyway, MigrationTool::liquibase_lock}) {
    const MigrationAdvice advice = advice_of(tool, "public.t", "version 7");
    EXPECT_THAT(advice.trouble, Not(IsEmpty()));
    EXPECT_THAT(advice.cure, Not(IsEmpty()));
  }
  const MigrationAdvice dirty = advice_of(MigrationTool::golang_migrate, "t", "version 7");
  EXPECT_THAT(dirty.trouble, HasSubstr("version 7"));
  EXPECT_THAT(dirty.cure, AllOf(HasSubstr("force 7'")));
}

}  // namespace
}  // namespace pgfanout

#include "copier/preflight/migration_tools.h"

#include <fmt/format.h>

#include <algorithm>

namespace pgfanout {

const std::vector<std::string>& migration_tables() {
  static const std::vector<std::string> names = {
      "schema_migrations", "alembic_version",       "flyway_schema_history", "schema_version",
      "databasechangelog", "databasechangeloglock", "django_migrations"};
  return names;
}

std::optional<MigrationTool> tool_of(std::string_view table,
                                     const std::vector<std::string>& columns) {
  const auto has = [&](std::initializer_list<const char*> wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const char* column) {
      return std::find(columns.begin(), columns.end(), column) != columns.end();
    });
  };
  if (table == "schema_migrations" && has({"version", "dirty"})) {
    return MigrationTool::golang_migrate;
  }
  if (table == "schema_migrations" && has({"version"})) return MigrationTool::rails;
  if (table == "alembic_version" && has({"version_num"})) return MigrationTool::alembic;
  const bool is_of_flyway = table == "flyway_schema_history" || table == "schema_version";
  if (is_of_flyway && has({"installed_rank", "version", "success"})) return MigrationTool::flyway;
  if (table == "databasechangelog" && has({"id", "orderexecuted"})) {
    return MigrationTool::liquibase;
  }
  if (table == "databasechangeloglock" && has({"locked", "lockedby", "lockgranted"})) {
    return MigrationTool::liquibase_lock;
  }
  if (table == "django_migrations" && has({"id", "app", "name"})) return MigrationTool::django;
  return std::nullopt;
}

const char* migration_state_sql(MigrationTool tool) {
  switch (tool) {
    case MigrationTool::golang_migrate:
      return "SELECT bool_or(dirty), 'version ' || max(version)::text FROM {}";
    case MigrationTool::alembic:
      return "SELECT count(*) < 0, 'revision ' || string_agg(version_num, ', ') FROM {}";
    case MigrationTool::flyway:
      return "SELECT bool_or(NOT success), 'version ' || (array_agg(version ORDER BY"
             " installed_rank DESC) FILTER (WHERE version IS NOT NULL))[1] FROM {}";
    case MigrationTool::liquibase:
      return "SELECT count(*) < 0, 'change set ' || (array_agg(id ORDER BY orderexecuted DESC))[1]"
             " FROM {}";
    case MigrationTool::liquibase_lock:
      return "SELECT bool_or(locked), 'locked by ' || max(lockedby) FILTER (WHERE locked)"
             " || ' since ' || max(lockgranted) FILTER (WHERE locked) FROM {}";
    case MigrationTool::django:
      return "SELECT count(*) < 0, 'migration ' || (array_agg(app || '.' || name ORDER BY id"
             " DESC))[1] FROM {}";
    case MigrationTool::rails:
      return "SELECT count(*) < 0, 'version ' || max(version::text) FROM {}";
  }
  return "";
}

MigrationAdvice advice_of(MigrationTool tool, std::string_view table, std::string_view version) {
  // "version 12" to "12".
  const std::string number(version.substr(std::min(version.rfind(' ') + 1, version.size())));
  const std::string states = fmt::format("that states {} as it is then", table);
  switch (tool) {
    case MigrationTool::golang_migrate:
      return {"golang-migrate",
              fmt::format("it is dirty: the migration to {} failed half-way", version),
              fmt::format("make the schema what that version says, then 'migrate -path DIR "
                          "-database URL force {}'",
                          number),
              fmt::format("write a migration {}, and record it without running it: 'migrate -path "
                          "DIR -database URL force N', where N is its number",
                          states)};
    case MigrationTool::alembic:
      return {"Alembic", "", "",
              fmt::format("write a revision {}, and record it without running it: 'alembic stamp "
                          "head'",
                          states)};
    case MigrationTool::flyway:
      return {"Flyway", "a migration failed: its row has success = false",
              "undo what it did in part, then 'flyway repair'",
              fmt::format("write a versioned migration {} and does nothing where {} is partitioned "
                          "so already, then 'flyway migrate' (with "
                          "-skipExecutingMigrations=true it is recorded only)",
                          states, table)};
    case MigrationTool::liquibase:
      return {"Liquibase", "", "",
              fmt::format("write a change set {}, and record it without running it: 'liquibase "
                          "changelog-sync'",
                          states)};
    case MigrationTool::liquibase_lock:
      return {"Liquibase",
              fmt::format("it is {}: a migration runs, or ended without its end", version),
              "wait until it has ended; if none runs: 'liquibase release-locks'", ""};
    case MigrationTool::django:
      return {"Django", "", "",
              fmt::format("write a migration {}, and record it without running it: 'python "
                          "manage.py migrate APP NAME --fake'",
                          states)};
    case MigrationTool::rails:
      return {"Rails (or dbmate)", "", "",
              fmt::format("write a migration {}, and record it without running it: INSERT INTO "
                          "schema_migrations (version) VALUES ('N'), where N is its number; then "
                          "'bin/rails db:schema:dump'",
                          states)};
  }
  return {};
}

}  // namespace pgfanout

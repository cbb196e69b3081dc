// Shared by the tests of the preflight: a table like that of the first users, and a look at it by
// any role.
#pragma once

#include <string>
#include <vector>

#include "copier/preflight/preflight.h"
#include "tests/integration/plan_fixture.h"

namespace pgfanout::testing {

class PreflightFixture : public PlanFixture {
 protected:
  static constexpr const char* kTables = R"sql(
    CREATE TABLE collections (id uuid PRIMARY KEY);
    CREATE TABLE chunks (
      id bigint NOT NULL, collection_id uuid NOT NULL REFERENCES collections,
      document_id uuid NOT NULL, content text, PRIMARY KEY (id, collection_id))
      PARTITION BY HASH (collection_id);
    CREATE TABLE chunks_0 PARTITION OF chunks FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE chunks_1 PARTITION OF chunks FOR VALUES WITH (MODULUS 2, REMAINDER 1);
  )sql";

  /// `rows` rows over `collections` collections.
  static std::string load(int rows, int collections) {
    return "INSERT INTO collections SELECT md5(c::text)::uuid FROM generate_series(0, " +
           std::to_string(collections - 1) + ") c; INSERT INTO chunks SELECT r, md5((r % " +
           std::to_string(collections) +
           ")::text)::uuid, md5('d' || r)::uuid, repeat('x', 100) FROM generate_series(1, " +
           std::to_string(rows) + ") r; ANALYZE chunks";
  }

  static JobDescription chunks_job(std::uint32_t partitions = 4) {
    return job_for("public.chunks", "", partitions);
  }

  static Preflight look_at(const JobDescription& job, const std::string& source_dsn,
                           const std::string& target_dsn, const CarryPlan& carry = {}) {
    Connection source = open(source_dsn);
    Connection target = open(target_dsn);
    const auto plan = make_copy_plan(job, source, target);
    if (!plan) throw std::runtime_error(plan.error().code + ": " + plan.error().message);
    const Cancellation never;
    auto found = check_before_window(job, *plan, carry, source, target, never);
    if (!found) throw std::runtime_error(found.error().code + ": " + found.error().message);
    return std::move(*found);
  }
  [[nodiscard]] Preflight look(const JobDescription& job, const CarryPlan& carry = {}) const {
    return look_at(job, server().dsn(database), server().dsn(database), carry);
  }
  [[nodiscard]] Preflight look_as(const std::string& role, const JobDescription& job) const {
    return look_at(job, server().dsn(database, role), server().dsn(database, role));
  }

  /// "message | where | hint" of the issues with that code.
  static std::vector<std::string> with_code(const Preflight& found, const std::string& code) {
    std::vector<std::string> texts;
    for (const Issue& issue : found.issues) {
      if (issue.code == code) {
        texts.push_back(issue.message + " | " + issue.where + " | " + issue.hint);
      }
    }
    return texts;
  }
  /// "code: message" of what is severe.
  static std::vector<std::string> errors(const Preflight& found) {
    std::vector<std::string> texts;
    for (const Issue& issue : found.issues) {
      if (issue.severity <= Severity::error) texts.push_back(issue.code + ": " + issue.message);
    }
    return texts;
  }
  static Severity severity_of(const Preflight& found, const std::string& code) {
    for (const Issue& issue : found.issues) {
      if (issue.code == code) return issue.severity;
    }
    throw std::runtime_error("there is no issue " + code);
  }
  /// A role of this test alone.
  [[nodiscard]] std::string role(const std::string& name) const { return name + "_" + database; }
};

}  // namespace pgfanout::testing

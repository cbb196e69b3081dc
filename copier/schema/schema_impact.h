// The impact of a difference between two schemas on the application.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "copier/schema/schema_comparison.h"
#include "copier/schema/schema_inventory.h"
#include "copier/schema/schema_pairs.h"
#include "pgfanout/job_result.h"

namespace pgfanout {

struct SchemaImpact {
  Severity severity = Severity::info;
  std::string text;
  /// Comes with a column that is missing and not meant to be: to be made though it is no gap of its
  /// own.
  bool belongs_to_missing_column = false;
};

/// Judges one pair at a time with a view of both sides, which must outlive it.
class SchemaJudge {
 public:
  SchemaJudge(const std::vector<SchemaObject>& source, const std::vector<SchemaObject>& target,
              const SchemaContext& context);

  [[nodiscard]] SchemaImpact missing(const SchemaObject& source) const;
  [[nodiscard]] SchemaImpact different(const SchemaObject& source,
                                       const SchemaObject& target) const;
  [[nodiscard]] SchemaImpact not_valid(const SchemaObject& target) const;
  [[nodiscard]] SchemaImpact extra(const SchemaObject& target) const;
  /// Equal, but each table has one of its own, which matters for counters.
  [[nodiscard]] SchemaImpact equal(const SchemaObject& source, const SchemaObject& target) const;

 private:
  [[nodiscard]] SchemaImpact missing_default(const SchemaObject& source) const;
  [[nodiscard]] SchemaImpact missing_constraint(const SchemaObject& source) const;
  [[nodiscard]] SchemaImpact missing_key(const SchemaObject& source) const;
  [[nodiscard]] SchemaImpact missing_index(const SchemaObject& source) const;
  [[nodiscard]] SchemaImpact missing_policy(const SchemaObject& source) const;
  [[nodiscard]] SchemaImpact missing_in_database(const SchemaObject& source) const;
  [[nodiscard]] SchemaImpact missing_privileges(const SchemaObject& source,
                                                std::string_view target_definition) const;
  [[nodiscard]] SchemaImpact different_key(const SchemaObject& source,
                                           const SchemaObject& target) const;
  [[nodiscard]] SchemaImpact different_column(const SchemaObject& source,
                                              const SchemaObject& target) const;
  [[nodiscard]] const SchemaObject* find(const std::vector<SchemaObject>& side,
                                         std::string_view kind, std::string_view name) const;
  /// The column of a default, NOT NULL, sequence, comment or storage option; else empty.
  [[nodiscard]] std::string column_of(const SchemaObject& object) const;
  [[nodiscard]] bool mentions_skipped_column(const SchemaObject& object) const;
  [[nodiscard]] SchemaImpact capped(const SchemaObject& object, SchemaImpact impact) const;

  const std::vector<SchemaObject>& source_;
  const std::vector<SchemaObject>& target_;
  const SchemaContext& context_;
};

/// Privileges that `source` lists and `target` does not grant, in the form of SchemaObject's
/// definition: "SELECT, UPDATE (a) WITH GRANT OPTION".
[[nodiscard]] std::vector<std::string> lost_privileges(std::string_view source,
                                                       std::string_view target);

}  // namespace pgfanout

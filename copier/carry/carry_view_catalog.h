// Views and materialized views that read the source, or a materialized view that does: views in
// between stay, since they keep their OID.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "copier/carry/carry_context.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct SourceView {
  std::uint32_t oid = 0;
  bool is_materialized = false;
  std::string schema;
  std::string name;
  std::string qualified;
  std::string query;    ///< As the server prints it.
  std::string options;  ///< "security_barrier='true'", or empty.
  std::string access_method;
  std::string tablespace;
  bool is_populated = true;
  std::string owner;
  std::string column_list;              ///< Quoted.
  std::vector<std::uint32_t> matviews;  ///< Replaced materialized views that it reads.
  bool reads_table = false;
  bool reads_leaf = false;
  std::string columns;  ///< Numbers of the source's columns that it reads.
  bool has_row_type = false;
  bool needs_primary_key = false;  ///< GROUP BY the key covers other columns.
  bool is_temporary = false;
};

/// Materialized ones first, in the order in which they depend on each other; then the others,
/// oldest first.
Result<std::vector<SourceView>> read_source_views(CarryContext& context);

/// The types of a query that would be run once the target is in the source's place.
class ViewProbe {
 public:
  explicit ViewProbe(CarryContext& context);

  /// A query that reads the source and earlier replaced views. `error` says why it cannot be.
  struct Answer {
    std::vector<std::string> names;
    std::vector<std::string> types;  ///< OID and modifier.
    std::string error;
  };
  Result<Answer> ask(std::string_view query);
  /// From now on the view of that name has the columns of this query.
  void replace(const SourceView& view, std::string_view query);

 private:
  [[nodiscard]] std::string over_stubs(std::string_view query) const;

  struct Stub {
    std::string schema;
    std::string relation;
    std::string name;
  };
  CarryContext& context_;
  std::string with_;  ///< "WITH a AS (...), b AS (...)".
  std::vector<Stub> stubs_;
};

/// Columns of a view as they are, like ViewProbe::Answer.
Result<ViewProbe::Answer> columns_of_view(CarryContext& context, std::uint32_t oid);

}  // namespace pgfanout

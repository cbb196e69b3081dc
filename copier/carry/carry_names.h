// Names for what is made beside the source: free now and after the swap, and the same in every plan
// of one job, also when part of it has been made already.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "copier/carry/carry_plan.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

class CarryNames {
 public:
  static Result<CarryNames> read(const CarryRequest& request, Connection& target);

  /// For a relation that is called `afterwards` once the swap has put the old one away.
  Result<std::string> until_swap(std::string_view schema, std::string_view afterwards);
  /// The same for extended statistics, which have names of their own.
  Result<std::string> statistics_until_swap(std::string_view schema, std::string_view afterwards);
  /// For a leaf's index that does what `index` does for `table`: "chunks_p07_content_idx".
  std::string leaf_index(std::size_t leaf, std::string_view table, std::string_view index);

 private:
  CarryNames(const CarryRequest& request, Connection& target)
      : request_(&request), target_(&target) {}
  Result<void> learn(std::string_view schema);
  std::string take(std::set<std::pair<std::string, std::string>>& taken, std::string_view schema,
                   std::string_view stem, std::string_view suffix);

  const CarryRequest* request_;
  Connection* target_;
  std::set<std::string> known_schemas_;
  std::set<std::pair<std::string, std::string>> relations_;   ///< Schema and name.
  std::set<std::pair<std::string, std::string>> statistics_;  ///< Schema and name.
};

}  // namespace pgfanout

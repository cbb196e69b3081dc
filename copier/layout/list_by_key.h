// LIST by a computed key: every leaf takes some values of the key expression. Four key modes say
// how rows inserted later get their key.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "copier/layout/layout.h"

namespace pgfanout {

/// A LIST partition's bound: pg_get_expr(relpartbound, oid).
struct ListBound {
  bool is_default = false;
  std::vector<std::int64_t> keys;
};

/// Of "FOR VALUES IN (0, '1', NULL)" or "DEFAULT". Refuses other strategies and non-integers.
Result<ListBound> parse_list_bound(std::string_view bound);

[[nodiscard]] const LayoutKind& list_by_key();

}  // namespace pgfanout

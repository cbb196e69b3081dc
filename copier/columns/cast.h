// How a value is brought into the type of a column that exists already.
#pragma once

#include <string>
#include <string_view>

#include "copier/catalog/table.h"

namespace pgfanout {

/// `sql`, a value of `from`'s type, in `to`'s type; unchanged where they are the same. Lengths are
/// enforced as by an INSERT: text that is too long is an error, never cut.
[[nodiscard]] std::string cast_sql(std::string_view sql, const Column& from, const Column& to);

/// Whether every value of `from` arrives in `to` with the same bytes: the same type, or text and
/// varchar of at least the same length.
[[nodiscard]] bool keeps_bytes(const Column& from, const Column& to);

}  // namespace pgfanout

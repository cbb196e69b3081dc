// No layout: one plain table, which is its own leaf and takes every row.
#pragma once

#include <string_view>

#include "copier/layout/layout.h"

namespace pgfanout {

/// The key of its rows, which are all in one leaf.
inline constexpr std::string_view kKeyOfPlainTable = "0";

[[nodiscard]] const LayoutKind& no_layout();

}  // namespace pgfanout

// The report's style sheet: light and dark, narrow and wide, screen and paper.
#pragma once

#include <string_view>

namespace pgfanout {

/// Holds no character that HTML or XML would read as its own.
[[nodiscard]] std::string_view html_style();

}  // namespace pgfanout

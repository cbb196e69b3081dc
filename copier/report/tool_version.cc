#include "copier/report/tool_version.h"

#include <fmt/format.h>

namespace pgfanout {

std::string_view tool_version() {
  return PGFANOUT_VERSION;
}

std::string compiler() {
#if defined(__clang__)
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("g++ {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

}  // namespace pgfanout

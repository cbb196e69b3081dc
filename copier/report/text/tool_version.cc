#include "copier/report/text/tool_version.h"

#include <fmt/format.h>

#include <utility>

namespace pgfanout {
namespace {

/// Empty where nobody has said so: in tests, outside a git tree.
std::string& built_from() {
  static std::string commit;
  return commit;
}

}  // namespace

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

void name_commit(std::string commit) {
  built_from() = std::move(commit);
}

std::string version_page(std::string_view libpq) {
  std::string page = fmt::format("pgfanout {}\n", tool_version());
  const auto add = [&](std::string_view name, std::string_view text) {
    page += fmt::format("{}: {}\n", name, text);
  };
  if (!built_from().empty()) add("commit", built_from());
  add("compiler", compiler());
  add("build", PGFANOUT_BUILD);
  add("sanitizers", PGFANOUT_SANITIZERS);
  add("libpq", libpq == PGFANOUT_LIBPQ ? std::string(libpq)
                                       : fmt::format("{} (built with {})", libpq, PGFANOUT_LIBPQ));
  add("oneTBB", PGFANOUT_TBB);
  add("xxHash", PGFANOUT_XXHASH);
  add("mimalloc", PGFANOUT_MIMALLOC_TEXT);
  add("fmt", PGFANOUT_FMT);
  add("nlohmann-json", PGFANOUT_JSON);
  add("toml++", PGFANOUT_TOML);
  add("prometheus-cpp", PGFANOUT_PROMETHEUS);
  add("servers", "PostgreSQL 14 to 18");
  return page;
}

}  // namespace pgfanout

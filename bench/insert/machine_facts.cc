#include "bench/insert/machine_facts.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

namespace pgfanout::bench {
namespace {

/// The first "model name" of /proc/cpuinfo.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::string memory() {
  const double bytes =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  return fmt::format("{:.1f} GiB", bytes / (1ULL << 30U));
}

}  // namespace

Facts machine_facts() {
  utsname kernel{};
  uname(&kernel);
  return {{"cpu", processor()},
          {"cores", std::to_string(sysconf(_SC_NPROCESSORS_ONLN))},
          {"memory", memory()},
          {"kernel", fmt::format("{} {}", kernel.sysname, kernel.release)}};
}

Result<Facts> server_facts(BenchServer& server) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      server.session().query(
          "SELECT string_agg(name || '=' || current_setting(name), ' ' ORDER "
          "BY name) FROM pg_settings WHERE setting IS DISTINCT FROM boot_val AND source "
          "NOT IN ('default', 'override', 'client', 'session') AND (vartype <> 'string' OR name IN "
          "('shared_preload_libraries', 'wal_sync_method', 'huge_pages'))"));
  return Facts{{"postgresql", server.session().server_version_text()},
               {"postgresql_settings", rows.str(0, 0)},
               {"server", server.is_throw_away() ? "throw-away" : "of the user"},
               {"checkpoint_before_each", server.takes_checkpoints() ? "yes" : "no (rights)"}};
}

}  // namespace pgfanout::bench

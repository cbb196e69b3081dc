#include "copier/watch/host_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <utility>

#include "copier/catalog/relation_name.h"

namespace pgfanout {
namespace {

/// Takes blanks and a number off the front of `text`.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return {};
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

/// The number after `name`.
std::optional<std::uint64_t> line_of(std::string_view text, std::string_view name) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + name.size());
  return take_number(text);
}

/// Reading /proc needs two rights: to the function, and to files outside the server's folder.
constexpr const char* kRightsSql =
    "SELECT has_function_privilege('pg_read_file(text,bigint,bigint)',"
    "  'EXECUTE') AND pg_has_role('pg_read_server_files', 'USAGE'),"
    " current_user, current_database(), COALESCE(inet_client_port()::text, '')";

constexpr const char* kReadSql =
    "SELECT pg_read_file('/proc/stat', 0, 512), pg_read_file('/proc/meminfo', 0, 1024)";

/// Whether a process of this host has the number and the title of the connection's backend.
bool is_backend_here(const Connection& connection, const Rows& session) {
  std::string title =
      head_of_file(fmt::format("/proc/{}/cmdline", connection.backend_pid()).c_str());
  const std::string port = session.str(0, 3);
  const std::string who = fmt::format("{} {} {}", session.text(0, 1), session.text(0, 2),
                                      port.empty() ? "[local]" : "");
  return title.starts_with("postgres: ") && title.find(who) != std::string::npos &&
         (port.empty() || title.find("(" + port + ")") != std::string::npos);
}

}  // namespace

std::optional<CpuTicks> cpu_ticks_of(std::string_view proc_stat) {
  if (!proc_stat.starts_with("cpu ")) return {};
  proc_stat.remove_prefix(4);
  // user nice system idle iowait irq softirq steal; the time of guests is in user already.
  constexpr std::size_t kIdle = 3;
  constexpr std::size_t kWaiting = 4;
  constexpr std::size_t kFields = 8;
  CpuTicks sum;
  std::size_t count = 0;
  for (; count < kFields; ++count) {
    const auto number = take_number(proc_stat);
    if (!number) break;
    sum.all += *number;
    if (count != kIdle && count != kWaiting) sum.busy += *number;
  }
  if (count <= kIdle) return {};
  return sum;
}

std::optional<double> memory_used_of(std::string_view proc_meminfo) {
  const auto all = line_of(proc_meminfo, "MemTotal:");
  const auto available = line_of(proc_meminfo, "MemAvailable:");
  if (!all || !available || *all == 0 || *available > *all) return {};
  return 100.0 * static_cast<double>(*all - *available) / static_cast<double>(*all);
}

std::optional<double> CpuMeter::percent(std::optional<CpuTicks> now) {
  const auto before = std::exchange(before_, now);
  if (!now || !before || now->all <= before->all || now->busy < before->busy) return {};
  return 100.0 * static_cast<double>(now->busy - before->busy) /
         static_cast<double>(now->all - before->all);
}

std::string head_of_file(const char* path) {
  constexpr std::size_t kMost = 4096;
  std::ifstream file(path, std::ios::binary);
  std::string text(kMost, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

Result<HostMeter> HostMeter::open(Connection& connection, bool is_here) {
  HostMeter meter;
  PGFANOUT_TRY_ASSIGN(const Rows session, connection.query(kRightsSql));
  if (session.boolean(0, 0)) {
    const auto read = connection.query(kReadSql);
    const bool is_linux =
        read && cpu_ticks_of(read->text(0, 0)) && memory_used_of(read->text(0, 1));
    if (is_linux) meter.way_ = Way::server;
    if (is_linux) meter.cpu_.percent(cpu_ticks_of(read->text(0, 0)));
    if (!is_linux) meter.unmeasurable_ = "the target's host has no readable /proc";
  } else if (is_here || is_backend_here(connection, session)) {
    meter.way_ = Way::here;
    meter.cpu_.percent(cpu_ticks_of(head_of_file("/proc/stat")));
  } else {
    const std::string role = quoted_name(session.text(0, 1));
    meter.unmeasurable_ = fmt::format(
        "role {0} may not read the /proc of the target's host: GRANT pg_read_server_files TO {0};"
        " GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text, bigint, bigint) TO {0}",
        role);
  }
  return meter;
}

Result<HostFigures> HostMeter::sample(Connection& connection) {
  HostFigures figures;
  if (way_ == Way::none) return figures;
  std::string stat;
  std::string memory;
  if (way_ == Way::server) {
    PGFANOUT_TRY_ASSIGN(const Rows read, connection.query(kReadSql));
    stat = read.str(0, 0);
    memory = read.str(0, 1);
  } else {
    stat = head_of_file("/proc/stat");
    memory = head_of_file("/proc/meminfo");
  }
  figures.cpu = cpu_.percent(cpu_ticks_of(stat));
  figures.memory = memory_used_of(memory);
  return figures;
}

}  // namespace pgfanout

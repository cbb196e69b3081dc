#include "copier/watch/proc_figures.h"

#include <array>
#include <charconv>
#include <fstream>

namespace pgfanout {
namespace {

/// The number behind blanks at the front of `text`, which then begins behind it.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return {};
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<std::uint64_t> line_of(std::string_view text, std::string_view name) {
  const std::size_t at = text.find(name);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + name.size());
  return take_number(text);
}

}  // namespace

std::optional<CpuTicks> cpu_ticks_of(std::string_view proc_stat) {
  if (!proc_stat.starts_with("cpu ")) return {};
  proc_stat.remove_prefix(4);
  // user nice system idle iowait irq softirq steal; what guests use is in user already.
  constexpr std::size_t kIdle = 3;
  constexpr std::size_t kWaiting = 4;
  std::array<std::uint64_t, 8> ticks{};
  std::size_t count = 0;
  for (; count < ticks.size(); ++count) {
    const auto number = take_number(proc_stat);
    if (!number) break;
    ticks.at(count) = *number;
  }
  if (count <= kIdle) return {};
  CpuTicks sum;
  for (std::size_t at = 0; at < ticks.size(); ++at) {
    sum.all += ticks.at(at);
    if (at != kIdle && at != kWaiting) sum.busy += ticks.at(at);
  }
  return sum;
}

std::optional<double> memory_used_of(std::string_view proc_meminfo) {
  const auto all = line_of(proc_meminfo, "MemTotal:");
  const auto available = line_of(proc_meminfo, "MemAvailable:");
  if (!all || !available || *all == 0 || *available > *all) return {};
  return 100.0 * static_cast<double>(*all - *available) / static_cast<double>(*all);
}

std::optional<double> CpuMeter::look(std::optional<CpuTicks> now) {
  const auto before = before_;
  before_ = now;
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

}  // namespace pgfanout

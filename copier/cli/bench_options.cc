// The options of the bench command, which pgfanout and pgfanout-bench share.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "copier/cli/nearest.h"
#include "copier/cli/option_table.h"
#include "copier/cli/values.h"
#include "copier/pg/connection.h"

namespace pgfanout {
namespace {

using Text = std::string_view;
using Done = Result<void>;

constexpr Text what = "What is measured";
constexpr Text where = "Where";
constexpr Text output = "Output";
constexpr std::uint64_t most_rows = 100'000'000;
constexpr std::uint64_t most_repetitions = 1000;

/// Adds each word of a list "a,b" to `names`, once.
Done add_names(Text list, std::span<const Text> known, std::vector<std::string>& names) {
  while (true) {
    const Text name = list.substr(0, list.find(','));
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      Error error = bad_value(fmt::format("a list of {}", fmt::join(known, ", ")), name);
      error.hint = did_you_mean(name, known, "");
      return error;
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
    if (name.size() == list.size()) return {};
    list.remove_prefix(name.size() + 1);
  }
}

Done add_sweeps(Text list, Invocation& to) {
  std::vector<Text> known(kBenchSweeps.begin(), kBenchSweeps.end());
  known.emplace_back("all");
  std::vector<std::string>& sweeps = to.bench.sweeps;
  PGFANOUT_TRY(add_names(list, known, sweeps));
  if (std::find(sweeps.begin(), sweeps.end(), "all") != sweeps.end()) {
    sweeps.assign(kBenchSweeps.begin(), kBenchSweeps.end());
  }
  return {};
}

Done set_path(Text value, std::string& path) {
  if (value.empty()) return refused("usage", "must not be empty");
  path = value;
  return {};
}

// clang-format off
const std::array options = {
    OptionSpec{what, "--sweep", "LIST", "What is varied: method, key (who computes the key, on each layout), writers, batch, width, indexes, or all. Default: method,key", true,
               add_sweeps},
    OptionSpec{what, "--methods", "LIST", "Only these ways to insert: row, multirow, pipeline, copy_text, copy_binary, fan_out", true,
               [](Text value, Invocation& to) { return add_names(value, kBenchMethods, to.bench.methods); }},
    OptionSpec{what, "--rows", "N", "Rows of one insertion. Default: 100000, with --quick 5000", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.bench.rows, parse_number(value, 1, most_rows));
                 return {};
               }},
    OptionSpec{what, "--repetitions", "N", "How often each is measured. Default: once; for the question whether a generated column is faster than a trigger 9 pairs", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(const auto number, parse_number(value, 1, most_repetitions));
                 to.bench.repetitions = static_cast<std::uint32_t>(number);
                 return {};
               }},
    OptionSpec{what, "--quick", "", "Few rows and repetitions: shows that all works, decides nothing", false,
               [](Text, Invocation& to) -> Done { to.bench.quick = true; return {}; }},
    OptionSpec{what, "--list", "", "Only name what would be measured, and what cannot be, with the reason", false,
               [](Text, Invocation& to) -> Done { to.bench.list = true; return {}; }},
    OptionSpec{where, "--source", "DSN", "A server of yours: connection string or URI, without password. The suite makes a schema pgfanout_bench there, and drops it. Default: a throw-away server", false,
               [](Text value, Invocation& to) -> Done {
                 to.bench.source_dsn = std::string(value);
                 return check_dsn(value, "--source");
               }},
    OptionSpec{where, "--server-bindir", "DIR", "Where initdb and postgres of the throw-away server are. Default: the PostgreSQL 15 that is installed, else another", false,
               [](Text value, Invocation& to) { return set_path(value, to.bench.server_bindir); }},
    OptionSpec{output, "--json", "FILE", "Writes the measurements to FILE, in Google Benchmark's format, with the machine's facts", false,
               [](Text value, Invocation& to) { return set_path(value, to.bench.json_file); }},
};
// clang-format on

}  // namespace

OptionTable bench_options() {
  return options;
}

}  // namespace pgfanout

// The request of `pgfanout bench`. Plain data; the program pgfanout-bench does the work.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

/// Methods to insert rows, by --methods.
inline constexpr std::array<std::string_view, 6> kBenchMethods = {
    "row", "multirow", "pipeline", "copy_text", "copy_binary", "fan_out"};

/// Varied quantities, by --sweep.
inline constexpr std::array<std::string_view, 6> kBenchSweeps = {"method", "key",   "writers",
                                                                 "batch",  "width", "indexes"};

struct BenchRequest {
  std::optional<std::string> source_dsn;     ///< Absent: a throw-away server.
  std::optional<std::uint64_t> rows;         ///< Absent: by --quick.
  std::vector<std::string> methods;          ///< Empty: all.
  std::vector<std::string> sweeps;           ///< Empty: method and key.
  std::optional<std::uint32_t> repetitions;  ///< Absent: by the case.
  std::string json_file;
  std::string server_bindir;  ///< Folder of initdb and postgres; empty: searched for.
  bool quick = false;
  bool list = false;
  std::vector<std::string> benchmark_words;  ///< --benchmark_..., for Google Benchmark.
};

}  // namespace pgfanout

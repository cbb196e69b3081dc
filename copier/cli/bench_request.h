// What `pgfanout bench` was asked for. Plain data; the program pgfanout-bench does the work.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

/// How rows get into the table, as --methods names it.
inline constexpr std::array<std::string_view, 6> kBenchMethods = {
    "row", "multirow", "pipeline", "copy_text", "copy_binary", "fan_out"};

/// What is varied, as --sweep names it.
inline constexpr std::array<std::string_view, 6> kBenchSweeps = {"method", "key",   "writers",
                                                                 "batch",  "width", "indexes"};

struct BenchRequest {
  std::optional<std::string> source_dsn;     ///< Absent: a throw-away server.
  std::optional<std::uint64_t> rows;         ///< Absent: as fits --quick or not.
  std::vector<std::string> methods;          ///< Empty: all.
  std::vector<std::string> sweeps;           ///< Empty: method and key.
  std::optional<std::uint32_t> repetitions;  ///< Absent: as fits what is measured.
  std::string json_file;
  std::string server_bindir;  ///< Where initdb and postgres are; empty: as they are found.
  bool quick = false;
  bool list = false;
  std::vector<std::string> benchmark_words;  ///< --benchmark_..., for Google Benchmark.
};

}  // namespace pgfanout

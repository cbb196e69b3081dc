#include "bench/insert/bench_program.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <variant>
#include <vector>

#include "bench/insert/bench_server.h"
#include "bench/insert/benchmarks.h"
#include "bench/insert/machine_facts.h"
#include "bench/insert/suite.h"
#include "copier/cli/arguments.h"
#include "copier/report/text/issue_text.h"

namespace pgfanout::bench {
namespace {

constexpr std::uint64_t kRows = 100'000;
constexpr std::uint64_t kQuickRows = 5'000;

bool has_word(const std::vector<std::string>& words, std::string_view start) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& word) { return word.starts_with(start); });
}

/// Hands Google Benchmark its options. It ends the process itself if a value is wrong, so this
/// comes before anything is started.
Result<void> initialize(const BenchRequest& request) {
  static std::vector<std::string> words;
  words = {"pgfanout-bench"};
  words.insert(words.end(), request.benchmark_words.begin(), request.benchmark_words.end());
  if (!request.json_file.empty()) {
    words.push_back("--benchmark_out=" + request.json_file);
    words.emplace_back("--benchmark_out_format=json");
    if (!std::ofstream(request.json_file, std::ios::app)) {
      return refused("usage", "--json names a file that cannot be written", {}, request.json_file);
    }
  }
  static std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int argc = static_cast<int>(argv.size()) - 1;
  benchmark::Initialize(&argc, argv.data());
  if (argc > 1) {
    return refused(
        "usage",
        fmt::format("Google Benchmark has no option {}",
                    std::string_view(argv[1]).substr(0, std::string_view(argv[1]).find('='))),
        "its options are --benchmark_filter=REGEX, --benchmark_out=FILE, ...");
  }
  return {};
}

void print_list(const Suite& suite) {
  for (const InsertCase& each : suite.cases) fmt::print("{}\n", name_of(each));
  for (const Question& question : suite.questions) fmt::print("{}\n", name_of(question));
}

void print_lines(std::FILE* to, std::string_view heading, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  fmt::print(to, "\n{}\n", heading);
  for (const std::string& line : lines) fmt::print(to, "  {}\n", line);
}

void add_context(const Facts& facts) {
  for (const auto& [name, value] : facts) benchmark::AddCustomContext(name, value);
}

Repeats repeats_of(const BenchRequest& request) {
  Repeats repeats;
  if (request.quick) repeats.question_pairs = 3;
  if (request.repetitions) repeats.cases = repeats.question_pairs = *request.repetitions;
  return repeats;
}

Result<Findings> measure(const BenchRequest& request, const Suite& suite,
                         const Cancellation& cancellation) {
  const std::uint64_t rows = request.rows.value_or(request.quick ? kQuickRows : kRows);
  PGFANOUT_TRY_ASSIGN(const auto server, BenchServer::open(request, cancellation));
  PGFANOUT_TRY_ASSIGN(InsertRunner runner, InsertRunner::make(*server, rows, cancellation));
  add_context(machine_facts());
  PGFANOUT_TRY_ASSIGN(const Facts facts, server_facts(*server));
  add_context(facts);
  add_context({{"rows", std::to_string(rows)}});
  const auto impossible = impossible_lines(suite.impossible);
  if (!impossible.empty()) {
    add_context({{"not_possible", fmt::format("{}", fmt::join(impossible, "; "))}});
  }
  Findings findings;
  register_benchmarks(suite, repeats_of(request), runner, findings);
  if (benchmark::RunSpecifiedBenchmarks() == 0) {
    return refused("usage", "no benchmark has such a name", "'pgfanout bench --list' names all");
  }
  return findings;
}

int tell_error(const Error& error) {
  fmt::print(stderr, "{}", error_text(error));
  if (error.code == "bench-check") return 1;
  return error.consequence == Consequence::refuse ? 2 : 3;
}

int run(const BenchRequest& request, const Cancellation& cancellation) {
  if (auto ready = initialize(request); !ready) return tell_error(ready.error());
  const Suite suite = suite_of(request);
  const bool lists_only =
      request.list || has_word(request.benchmark_words, "--benchmark_list_tests");
  if (lists_only) print_list(suite);
  const bool is_plain = !has_word(request.benchmark_words, "--benchmark_format");
  std::FILE* const to = is_plain ? stdout : stderr;
  if (!lists_only) {
    const auto findings = measure(request, suite, cancellation);
    if (!findings) return tell_error(findings.error());
    if (findings->failure) return tell_error(*findings->failure);
    print_lines(to,
                "Does replacing the trigger by a generated column make inserts more than 10 % "
                "faster?",
                findings->answers);
    print_lines(to,
                "Not measured, since the server has too few connections:", findings->not_reached);
  }
  print_lines(to, "Not measured, since it cannot be:", impossible_lines(suite.impossible));
  return 0;
}

}  // namespace

int run_bench(std::span<const std::string> words, const Cancellation& cancellation) {
  std::vector<std::string> all = {"bench"};
  all.insert(all.end(), words.begin(), words.end());
  const auto parsed = parse_arguments(all);
  if (!parsed) return tell_error(parsed.error());
  if (const auto* information = std::get_if<Information>(&*parsed)) {
    fmt::print("{}", information->text);
    return 0;
  }
  return run(std::get<Invocation>(*parsed).bench, cancellation);
}

}  // namespace pgfanout::bench

// The program pgfanout-bench, which `pgfanout bench` starts: the cases as benchmarks of Google
// Benchmark, the facts that belong to a measurement, and the answers.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <variant>

#include "bench/insert/bench_server.h"
#include "bench/insert/insert_runner.h"
#include "bench/insert/speedup.h"
#include "bench/insert/suite.h"
#include "copier/base/counted.h"
#include "copier/cli/arguments.h"
#include "copier/cli/process.h"
#include "copier/report/text/issue_text.h"

namespace pgfanout::bench {
namespace {

constexpr std::uint64_t kRows = 100'000;
constexpr std::uint64_t kQuickRows = 5'000;

/// The outcome of a run, beside what Google Benchmark prints. The first failure ends the measuring:
/// Google Benchmark calls the cases after it, and they do nothing.
struct Findings {
  std::optional<Error> failure;
  std::vector<std::string> answers;      ///< A line for each question.
  std::vector<std::string> not_reached;  ///< Cases that need more connections than there are.
};

/// Records a failure, unless it says only that the server has too few connections for this case.
void fail(benchmark::State& state, Error error, const std::string& name, Findings& findings) {
  state.SkipWithError(error.message.c_str());
  if (error.code == "no-connections") {
    findings.not_reached.push_back(fmt::format("{}: {}", name, error.message));
    return;
  }
  error.where = error.where.empty() ? name : fmt::format("{}, {}", name, error.where);
  if (!findings.failure) findings.failure = std::move(error);
}

void run_case(benchmark::State& state, const InsertCase& each, InsertRunner& runner,
              Findings& findings) {
  double rows = 0;
  double bytes = 0;
  for (auto _ : state) {
    if (findings.failure) {
      state.SkipWithError("not run after a failure");
      break;
    }
    auto timing = runner.run(each);
    if (!timing) {
      fail(state, std::move(timing).error(), name_of(each), findings);
      break;
    }
    state.SetIterationTime(timing->seconds);
    rows += static_cast<double>(timing->rows);
    bytes += static_cast<double>(timing->bytes);
  }
  state.counters["rows"] = benchmark::Counter(rows, benchmark::Counter::kAvgIterations);
  state.counters["rows/s"] = benchmark::Counter(rows, benchmark::Counter::kIsRate);
  state.counters["bytes/s"] =
      benchmark::Counter(bytes, benchmark::Counter::kIsRate, benchmark::Counter::kIs1024);
}

/// Both ways, one right after the other.
Result<TimePair> run_pair(const Question& question, bool trigger_first, InsertRunner& runner) {
  TimePair pair;
  for (const bool is_trigger : {trigger_first, !trigger_first}) {
    PGFANOUT_TRY_ASSIGN(const Timing timing,
                        runner.run(question.with(is_trigger ? KeyBy::trigger : KeyBy::generated)));
    (is_trigger ? pair.slow_seconds : pair.fast_seconds) = timing.seconds;
  }
  return pair;
}

void report(benchmark::State& state, const Question& question, const std::vector<TimePair>& pairs,
            std::uint64_t rows, Findings& findings) {
  const Speedup speedup = speedup_of(pairs);
  const double trigger = static_cast<double>(rows) / speedup.slow_seconds;
  const double generated = static_cast<double>(rows) / speedup.fast_seconds;
  state.counters["ratio"] = speedup.ratio;
  state.counters["ratio_low"] = speedup.low;
  state.counters["ratio_high"] = speedup.high;
  state.counters["pairs"] = static_cast<double>(speedup.pairs);
  state.counters["trigger_rows/s"] = trigger;
  state.counters["generated_rows/s"] = generated;
  const std::string sentence = sentence_of(speedup);
  state.SetLabel(sentence);
  findings.answers.push_back(
      fmt::format("{} into layout {}: {}; {} rows/s with the trigger, {} with the generated column",
                  to_string(question.method), to_string(question.layout), sentence,
                  with_commas(static_cast<std::uint64_t>(trigger)),
                  with_commas(static_cast<std::uint64_t>(generated))));
}

/// An iteration is a pair, whose order alternates.
void run_question(benchmark::State& state, const Question& question, InsertRunner& runner,
                  Findings& findings) {
  std::vector<TimePair> pairs;
  for (auto _ : state) {
    if (findings.failure) {
      state.SkipWithError("not run after a failure");
      return;
    }
    auto pair = run_pair(question, pairs.size() % 2 == 0, runner);
    if (!pair) {
      fail(state, std::move(pair).error(), name_of(question), findings);
      return;
    }
    state.SetIterationTime(pair->slow_seconds + pair->fast_seconds);
    pairs.push_back(*pair);
  }
  report(state, question, pairs, runner.rows_of(Width::demo), findings);
}

/// The references outlive RunSpecifiedBenchmarks().
void register_benchmarks(const Suite& suite, const BenchRequest& request, InsertRunner& runner,
                         Findings& findings) {
  const std::uint32_t pairs = request.repetitions.value_or(request.quick ? 3 : 9);
  const std::uint32_t repetitions = request.repetitions.value_or(1);
  const auto add = [](const std::string& name, std::uint32_t iterations, auto run) {
    return benchmark::RegisterBenchmark(name.c_str(), run)
        ->UseManualTime()
        ->Iterations(iterations)
        ->Unit(benchmark::kMillisecond);
  };
  for (const InsertCase& each : suite.cases) {
    auto* const added = add(name_of(each), 1, [&, each](benchmark::State& state) {
      run_case(state, each, runner, findings);
    });
    if (repetitions > 1) added->Repetitions(static_cast<int>(repetitions));
  }
  for (const Question& question : suite.questions) {
    add(name_of(question), pairs, [&, question](benchmark::State& state) {
      run_question(state, question, runner, findings);
    });
  }
}

/// The first "model name" of /proc/cpuinfo.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

void add_machine_facts() {
  utsname kernel{};
  uname(&kernel);
  const double memory =
      static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
  benchmark::AddCustomContext("cpu", processor());
  benchmark::AddCustomContext("cores", std::to_string(sysconf(_SC_NPROCESSORS_ONLN)));
  benchmark::AddCustomContext("memory", fmt::format("{:.1f} GiB", memory / (1ULL << 30U)));
  benchmark::AddCustomContext("kernel", fmt::format("{} {}", kernel.sysname, kernel.release));
}

/// The server's version, and its settings that are not the default. Text settings are left out but
/// for a few: they may hold paths, addresses and passwords.
Result<void> add_server_facts(BenchServer& server) {
  PGFANOUT_TRY_ASSIGN(
      const Rows rows,
      server.session().query(
          "SELECT string_agg(name || '=' || current_setting(name), ' ' ORDER "
          "BY name) FROM pg_settings WHERE setting IS DISTINCT FROM boot_val AND source "
          "NOT IN ('default', 'override', 'client', 'session') AND (vartype <> 'string' OR name IN "
          "('shared_preload_libraries', 'wal_sync_method', 'huge_pages'))"));
  benchmark::AddCustomContext("postgresql", server.session().server_version_text());
  benchmark::AddCustomContext("postgresql_settings", rows.str(0, 0));
  benchmark::AddCustomContext("server", server.is_throw_away() ? "throw-away" : "of the user");
  benchmark::AddCustomContext("checkpoint_before_each",
                              server.takes_checkpoints() ? "yes" : "no (rights)");
  return {};
}

bool has_word(const std::vector<std::string>& words, std::string_view start) {
  return std::ranges::any_of(words,
                             [&](const std::string& word) { return word.starts_with(start); });
}

/// Gives Google Benchmark its options. It ends the process itself if a value is wrong, so this is
/// called before anything is started.
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
    const std::string_view word = argv[1];
    return refused("usage",
                   fmt::format("Google Benchmark has no option {}", word.substr(0, word.find('='))),
                   "its options are --benchmark_filter=REGEX, --benchmark_out=FILE, ...");
  }
  return {};
}

Result<Findings> measure(const BenchRequest& request, const Suite& suite,
                         const Cancellation& cancellation) {
  const std::uint64_t rows = request.rows.value_or(request.quick ? kQuickRows : kRows);
  PGFANOUT_TRY_ASSIGN(const auto server, BenchServer::open(request, cancellation));
  PGFANOUT_TRY_ASSIGN(InsertRunner runner, InsertRunner::make(*server, rows, cancellation));
  add_machine_facts();
  PGFANOUT_TRY(add_server_facts(*server));
  benchmark::AddCustomContext("rows", std::to_string(rows));
  if (const auto impossible = impossible_lines(suite.impossible); !impossible.empty()) {
    benchmark::AddCustomContext("not_possible", fmt::format("{}", fmt::join(impossible, "; ")));
  }
  Findings findings;
  register_benchmarks(suite, request, runner, findings);
  if (benchmark::RunSpecifiedBenchmarks() == 0) {
    return refused("usage", "no benchmark has such a name", "'pgfanout bench --list' names all");
  }
  return findings;
}

int print_error(const Error& error) {
  fmt::print(stderr, "{}", error_text(error));
  if (error.code == "bench-check") return 1;
  return error.consequence == Consequence::refuse ? 2 : 3;
}

void print_lines(std::FILE* to, std::string_view heading, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  fmt::print(to, "\n{}\n", heading);
  for (const std::string& line : lines) fmt::print(to, "  {}\n", line);
}

int run(const BenchRequest& request, const Cancellation& cancellation) {
  if (auto ready = initialize(request); !ready) return print_error(ready.error());
  const Suite suite = suite_of(request);
  std::FILE* const to = has_word(request.benchmark_words, "--benchmark_format") ? stderr : stdout;
  if (request.list || has_word(request.benchmark_words, "--benchmark_list_tests")) {
    for (const InsertCase& each : suite.cases) fmt::print("{}\n", name_of(each));
    for (const Question& question : suite.questions) fmt::print("{}\n", name_of(question));
  } else {
    const auto findings = measure(request, suite, cancellation);
    if (!findings) return print_error(findings.error());
    if (findings->failure) return print_error(*findings->failure);
    print_lines(to,
                "Does replacing the trigger by a generated column make inserts more than 10 % "
                "faster?",
                findings->answers);
    print_lines(to,
                "Not measured, since the server has too few connections:", findings->not_reached);
  }
  print_lines(to, "Not measured, since it is impossible:", impossible_lines(suite.impossible));
  return 0;
}

/// Returns the exit code: 0 all was measured and checked; 1 a check failed; 2 it could not start,
/// or the server refused; 3 stopped part-way.
int run_words(const std::vector<std::string>& words, const Cancellation& cancellation) {
  const auto parsed = parse_arguments(words);
  if (!parsed) return print_error(parsed.error());
  if (const auto* information = std::get_if<Information>(&*parsed)) {
    fmt::print("{}", information->text);
    return 0;
  }
  return run(std::get<Invocation>(*parsed).bench, cancellation);
}

}  // namespace
}  // namespace pgfanout::bench

int main(int argc, char** argv) {
  // libpq keeps the password of a user's server in memory: no core dump may hold it.
  prctl(PR_SET_DUMPABLE, 0);
  static pgfanout::Cancellation now;
  static pgfanout::Cancellation soon(&now);
  pgfanout::handle_signals(soon, now);
  std::vector<std::string> words = {"bench"};
  words.insert(words.end(), argv + (argc > 0 ? 1 : 0), argv + argc);
  return pgfanout::bench::run_words(words, soon);
}

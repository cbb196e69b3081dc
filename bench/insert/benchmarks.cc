#include "bench/insert/benchmarks.h"

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "copier/base/counted.h"

namespace pgfanout::bench {
namespace {

/// Takes a failure down, unless it only says that this case is beyond the server.
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

double median_seconds(const std::vector<TimePair>& pairs, double TimePair::*seconds) {
  std::vector<double> values;
  values.reserve(pairs.size());
  for (const TimePair& pair : pairs) values.push_back(pair.*seconds);
  return median_of(values);
}

void report(benchmark::State& state, const Question& question, const std::vector<TimePair>& pairs,
            double rows, Findings& findings) {
  const Speedup speedup = speedup_of(pairs);
  const double trigger = rows / median_seconds(pairs, &TimePair::slow_seconds);
  const double generated = rows / median_seconds(pairs, &TimePair::fast_seconds);
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
  report(state, question, pairs, static_cast<double>(runner.rows_of(Width::demo)), findings);
}

}  // namespace

void register_benchmarks(const Suite& suite, const Repeats& repeats, InsertRunner& runner,
                         Findings& findings) {
  for (const InsertCase& each : suite.cases) {
    auto* const registered =
        benchmark::RegisterBenchmark(name_of(each).c_str(),
                                     [each, &runner, &findings](benchmark::State& state) {
                                       run_case(state, each, runner, findings);
                                     })
            ->UseManualTime()
            ->Iterations(1)
            ->Unit(benchmark::kMillisecond);
    if (repeats.cases > 1) registered->Repetitions(static_cast<int>(repeats.cases));
  }
  for (const Question& question : suite.questions) {
    benchmark::RegisterBenchmark(name_of(question).c_str(),
                                 [question, &runner, &findings](benchmark::State& state) {
                                   run_question(state, question, runner, findings);
                                 })
        ->UseManualTime()
        ->Iterations(repeats.question_pairs)
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace pgfanout::bench

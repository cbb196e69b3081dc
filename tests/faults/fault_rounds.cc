#include "tests/faults/fault_rounds.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

namespace pgfanout::testing {
namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The same for all tests of a process.
unsigned seed() {
  static const unsigned chosen = [] {
    const std::string wish = setting("PGFANOUT_FAULTS_SEED");
    return wish.empty() ? std::random_device{}() : static_cast<unsigned>(std::stoul(wish));
  }();
  return chosen;
}

std::string test_name() {
  const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
  return std::string(info->test_suite_name()) + "." + info->name();
}

/// Tests of one seed do not share their random numbers.
Random random_of(int round) {
  const std::string name = test_name();
  std::seed_seq words{seed(), static_cast<unsigned>(round),
                      static_cast<unsigned>(std::hash<std::string>{}(name))};
  return Random(words);
}

}  // namespace

int below(Random& random, int end) {
  return static_cast<int>(random() % static_cast<unsigned>(std::max(1, end)));
}

double between(Random& random, double least, double most) {
  return least + (most - least) * static_cast<double>(random()) / static_cast<double>(random.max());
}

void Tally::note_exit(double seconds, const std::string& what) {
  if (seconds <= slowest_exit_seconds) return;
  slowest_exit_seconds = seconds;
  slowest_exit_of = what;
}

void Tally::print() const {
  const std::string test = test_name();
  std::printf(
      "[ FAULTS   ] %s: %d rounds, %d faults; runs: %d killed, %d stopped, %d unproven, %d refused,"
      " %d unharmed; rounds: %d resumed, %d completed; slowest exit %.2f s%s%s",
      test.c_str(), rounds, faults, killed, stopped, unproven, refused, unharmed, resumed,
      completed, slowest_exit_seconds, slowest_exit_of.empty() ? "" : " after ",
      slowest_exit_of.c_str());
  if (rows_needed > 0) {
    std::printf(
        "; rows written twice %.0f%%",
        100.0 * static_cast<double>(rows_written - rows_needed) / static_cast<double>(rows_needed));
  }
  std::printf("\n");
  for (const auto& [code, count] : refusals) {
    std::printf("[ REFUSED  ] %d x %s\n", count, examples.at(code).c_str());
  }
  const std::string path = setting("PGFANOUT_FAULTS_REPORT");
  if (path.empty()) return;
  const nlohmann::json line = {{"test", test},
                               {"seed", seed()},
                               {"rounds", rounds},
                               {"faults", faults},
                               {"killed", killed},
                               {"stopped", stopped},
                               {"unproven", unproven},
                               {"refused", refused},
                               {"unharmed", unharmed},
                               {"resumed", resumed},
                               {"completed", completed},
                               {"slowest_exit_seconds", slowest_exit_seconds},
                               {"slowest_exit_of", slowest_exit_of},
                               {"rows_needed", rows_needed},
                               {"rows_written", rows_written},
                               {"refusals", refusals},
                               {"examples", examples},
                               {"failed", ::testing::Test::HasFailure()}};
  std::ofstream(path, std::ios::app) << line.dump() << '\n';
}

void run_rounds(int count, const std::function<void(Round&)>& round, int at_least) {
  const std::string factor = setting("PGFANOUT_FAULTS_ROUNDS");
  const std::string only = setting("PGFANOUT_FAULTS_ONLY");
  const int rounds = std::max(
      at_least, static_cast<int>(std::lround(count * (factor.empty() ? 1.0 : std::stod(factor)))));
  const int first = only.empty() ? 0 : std::stoi(only);
  const int end = only.empty() ? rounds : first + 1;
  std::printf("[ SEED     ] PGFANOUT_FAULTS_SEED=%u, %d rounds\n", seed(), end - first);
  std::fflush(stdout);
  Tally tally;
  for (int number = first; number < end && !::testing::Test::HasFailure(); ++number) {
    SCOPED_TRACE("repeat by PGFANOUT_FAULTS_SEED=" + std::to_string(seed()) +
                 " PGFANOUT_FAULTS_ONLY=" + std::to_string(number) +
                 " build/dev/bin/test_faults --gtest_filter=" + test_name());
    Round present{number, random_of(number), tally};
    ++tally.rounds;
    try {
      round(present);
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  tally.print();
}

}  // namespace pgfanout::testing

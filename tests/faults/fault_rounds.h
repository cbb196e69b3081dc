// The rounds of a test: their number, their random numbers, and their outcome. Every round has
// random numbers of its own, so that a round that failed can be repeated alone.
//
//   PGFANOUT_FAULTS_SEED=<n>      random numbers of all rounds; random if it is not set
//   PGFANOUT_FAULTS_ROUNDS=<x>    factor for the number of rounds, such as 0.2 or 50
//   PGFANOUT_FAULTS_ONLY=<round>  this round and no other
//   PGFANOUT_FAULTS_REPORT=<file> a line of JSON a test is appended to it
#pragma once

#include <functional>
#include <map>
#include <random>
#include <string>

namespace pgfanout::testing {

/// Counts of what the rounds of one test have met.
struct Tally {
  int rounds = 0;
  int faults = 0;                   ///< Injected.
  int killed = 0;                   ///< Runs that were ended by SIGKILL.
  int stopped = 0;                  ///< Runs that ended with 3.
  int unproven = 0;                 ///< Runs that ended with 4.
  int refused = 0;                  ///< Runs that ended with 2.
  int unharmed = 0;                 ///< Runs that ended with 0 in spite of the fault.
  int resumed = 0;                  ///< Rounds that were interrupted and ended with 0 all the same.
  int completed = 0;                ///< Rounds that ended with 0.
  double slowest_exit_seconds = 0;  ///< From a fault to the end of the program.
  std::string slowest_exit_of;
  std::int64_t rows_needed = 0;                 ///< Of resumed rounds whose work could be told.
  std::int64_t rows_written = 0;                ///< Of the same, as the server counted them.
  std::map<std::string, int> refusals;          ///< By code.
  std::map<std::string, std::string> examples;  ///< By code: the fault, and what the program said.

  void note_exit(double seconds, const std::string& what);
  /// One line for people, and one of JSON for PGFANOUT_FAULTS_REPORT. Within a test.
  void print() const;
};

using Random = std::mt19937;

/// A number from 0 to `end` - 1.
int below(Random& random, int end);
double between(Random& random, double least, double most);

struct Round {
  int number = 0;
  Random random;
  Tally& tally;
};

/// Calls `round` as often as `count` and PGFANOUT_FAULTS_ROUNDS say, but `at_least` times, until a
/// round fails. A failure is printed with the settings that repeat it; the tally is printed at the
/// end.
void run_rounds(int count, const std::function<void(Round&)>& round, int at_least = 1);

}  // namespace pgfanout::testing

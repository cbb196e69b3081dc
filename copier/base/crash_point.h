// Places at which a test ends or stops the process: every change of state of the journal, the
// lanes and the readers. Compiled in with PGFANOUT_CRASH_POINTS only; else nothing is left of them.
//
// PGFANOUT_CRASH_AT=<name>[:<n>] ends the process the n-th time it comes to that place (first: 1).
// PGFANOUT_CRASH_BY=SIGSTOP stops it there instead, until it receives SIGCONT.
// PGFANOUT_LOSE_STATEMENT=<n> cuts the connection of the process's n-th statement before it is
// sent; PGFANOUT_LOSE_ANSWER=<n> once it is sent, so that the server may still do it.
// PGFANOUT_THROW_AT=<who> lets what run_caught() runs under that name throw std::bad_alloc.
// PGFANOUT_CRASH_LOG=<file> appends the name of each place when it is reached for the first time.
#pragma once

#include <array>
#include <string_view>

#include "copier/base/lists.h"

namespace pgfanout {

inline constexpr std::array<std::string_view, 39> kCrashPoints = {
    // A copy, in the order in which it meets them.
    "job-journaled", "fence-raised", "fence-journaled", "source-locked", "tables-created",
    "epoch-begun", "reader-began", "reader-batch", "reader-ended", "lane-began", "lane-sent",
    "lane-taken", "row-set-aside", "epoch-drained", "lane-finishing", "lane-commit-sent",
    "lane-committed", "epoch-committed", "copy-committed", "read-back", "leaves-locked",
    "leaves-attached", "source-judged", "attach-committed", "fence-lifting", "fence-lifted",
    "job-ended",
    // The window around it.
    "stage-recorded", "step-committed", "swap-renamed", "swap-committed", "swap-settled",
    "live-fenced", "names-taken-back", "tables-dropping", "tables-dropped", "backup-dropping",
    "backup-dropped",
    // A rollback that keeps new rows.
    "new-rows-applied"};

/// A name of the list above; any other does not compile.
class CrashPoint {
 public:
  consteval CrashPoint(const char* name) : name_(name) {  // NOLINT: meant to convert
    if (!contains(kCrashPoints, name_)) {
      throw "no such crash point";
    }
  }
  [[nodiscard]] constexpr std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

#ifdef PGFANOUT_CRASH_POINTS
/// Thread-safe.
void crash_point(CrashPoint point);
/// Throws std::bad_alloc where a test wants that. Thread-safe.
void throw_point(std::string_view who);
/// Which end of its connection the statement that comes now is to lose. Thread-safe.
enum class LostPart { none, statement, answer };
LostPart next_lost_part();
#else
inline void crash_point(CrashPoint /*point*/) {}
inline void throw_point(std::string_view /*who*/) {}
#endif

}  // namespace pgfanout

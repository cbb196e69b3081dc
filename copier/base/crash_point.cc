#include "copier/base/crash_point.h"

#ifdef PGFANOUT_CRASH_POINTS

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <new>
#include <string>

namespace pgfanout {
namespace {

int number_in(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? 0 : std::atoi(text);
}

struct Wish {
  Wish() {
    const char* at = std::getenv("PGFANOUT_CRASH_AT");
    if (at != nullptr) name = at;
    const std::size_t colon = name.find(':');
    if (colon != std::string::npos) {
      std::from_chars(name.data() + colon + 1, name.data() + name.size(), times);
      name.resize(colon);
    }
    const char* by = std::getenv("PGFANOUT_CRASH_BY");
    if (by != nullptr && std::string_view(by) == "SIGSTOP") signal = SIGSTOP;
    const char* file = std::getenv("PGFANOUT_CRASH_LOG");
    if (file != nullptr) log = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  }
  std::string name;
  int times = 1;
  int signal = SIGKILL;
  int log = -1;
};

}  // namespace

void crash_point(CrashPoint point) {
  static const Wish wish;
  static std::atomic<int> reached{0};
  static std::array<std::atomic<bool>, kCrashPoints.size()> logged{};
  if (wish.log >= 0) {
    const auto* place = std::ranges::find(kCrashPoints, point.name());
    if (!logged[static_cast<std::size_t>(place - kCrashPoints.begin())].exchange(true)) {
      const std::string line = std::string(point.name()) + "\n";
      if (write(wish.log, line.data(), line.size()) < 0) return;
    }
  }
  if (point.name() == wish.name && reached.fetch_add(1) + 1 == wish.times) {
    raise(wish.signal);  // To this thread, so that none of its code runs before the signal acts.
  }
}

void throw_point(std::string_view who) {
  static const char* const wish = std::getenv("PGFANOUT_THROW_AT");
  if (wish != nullptr && who == wish) throw std::bad_alloc();
}

LostPart next_lost_part() {
  static const int statement = number_in("PGFANOUT_LOSE_STATEMENT");
  static const int answer = number_in("PGFANOUT_LOSE_ANSWER");
  static std::atomic<int> made{0};
  const int number = made.fetch_add(1) + 1;
  if (number == statement) return LostPart::statement;
  return number == answer ? LostPart::answer : LostPart::none;
}

}  // namespace pgfanout

#endif

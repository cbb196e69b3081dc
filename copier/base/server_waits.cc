#include "copier/base/server_waits.h"

#include <fmt/format.h>

#include <algorithm>

namespace pgfanout {

std::string text_of(const ServerWait& wait) {
  if (wait.pid == 0) return fmt::format("{} ({})", wait.doing, wait.server);
  return fmt::format("{} of pid {} ({}) on {}", wait.doing, wait.pid, wait.session, wait.server);
}

std::string excerpt_of(std::string_view sql) {
  constexpr std::size_t kLongest = 60;
  std::string text;
  for (const char byte : sql.substr(0, 4 * kLongest)) {
    const bool is_blank = byte == ' ' || byte == '\n' || byte == '\t';
    if (is_blank && (text.empty() || text.back() == ' ')) continue;
    // A cut within a character would not be UTF-8 any more.
    if (text.size() >= kLongest && (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U) {
      return text + " ...";
    }
    text += is_blank ? ' ' : byte;
  }
  return text;
}

ServerWaits& ServerWaits::all() {
  static auto* const waits = new ServerWaits;  // Threads that were left behind may use it at exit.
  return *waits;
}

void ServerWaits::begin(const void* waiter, ServerWait wait) {
  const std::lock_guard lock(mutex_);
  open_.insert_or_assign(waiter, std::move(wait));
}

void ServerWaits::end(const void* waiter) {
  const std::lock_guard lock(mutex_);
  open_.erase(waiter);
}

void ServerWaits::leave_behind(const void* waiter) {
  const std::lock_guard lock(mutex_);
  const auto wait = open_.extract(waiter);
  if (!wait.empty() && wait.mapped().pid != 0) left_.push_back(wait.mapped());
}

void ServerWaits::note_cancelled_commit() {
  const std::lock_guard lock(mutex_);
  ++cancelled_commits_;
}

std::vector<ServerWait> ServerWaits::open() const {
  std::vector<ServerWait> waits;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [waiter, wait] : open_) waits.push_back(wait);
  }
  std::stable_sort(waits.begin(), waits.end(),
                   [](const ServerWait& a, const ServerWait& b) { return a.since < b.since; });
  return waits;
}

std::vector<ServerWait> ServerWaits::left_behind() const {
  const std::lock_guard lock(mutex_);
  return left_;
}

unsigned ServerWaits::cancelled_commits() const {
  const std::lock_guard lock(mutex_);
  return cancelled_commits_;
}

}  // namespace pgfanout

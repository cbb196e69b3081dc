// Threads that wait for sockets, so that no worker of the pipeline ever does. Each has one source;
// ranges are taken from one queue by whoever is free.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "copier/stage/range_source.h"

namespace pgfanout {

class ReaderThreads {
 public:
  /// Called on a reader's thread for every submitted range, also after a stop: it must return soon.
  using Work = std::function<void(RangeSource& source, std::uint32_t range)>;

  /// The sources outlive the threads.
  ReaderThreads(std::span<const std::unique_ptr<RangeSource>> sources, Work work);
  ~ReaderThreads();
  ReaderThreads(const ReaderThreads&) = delete;
  ReaderThreads& operator=(const ReaderThreads&) = delete;

  /// Never waits. Thread-safe.
  void submit(std::uint32_t range);
  /// Waits until all submitted ranges were handled and the threads have ended. Nothing may be
  /// submitted afterwards. The destructor does the same.
  void finish();

 private:
  void serve(RangeSource& source);

  const Work work_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::uint32_t> queue_;  // guarded by mutex_
  bool closed_ = false;              // guarded by mutex_
  std::vector<std::thread> threads_;
};

}  // namespace pgfanout

#include "copier/pipeline/reader_threads.h"

namespace pgfanout {

ReaderThreads::ReaderThreads(std::span<const std::unique_ptr<RangeSource>> sources, Work work)
    : work_(std::move(work)) {
  for (const auto& source : sources) {
    threads_.emplace_back([this, &source] { serve(*source); });
  }
}

ReaderThreads::~ReaderThreads() {
  finish();
}

void ReaderThreads::finish() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ReaderThreads::submit(std::uint32_t range) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(range);
  changed_.notify_one();  // Under the lock: the destructor takes it, too, so it cannot overtake.
}

void ReaderThreads::serve(RangeSource& source) {
  while (true) {
    std::uint32_t range = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
      if (queue_.empty()) return;
      range = queue_.front();
      queue_.pop_front();
    }
    work_(source, range);
  }
}

}  // namespace pgfanout

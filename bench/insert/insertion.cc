#include "bench/insert/insertion.h"

#include <chrono>
#include <latch>
#include <thread>

#include "copier/base/caught.h"

namespace pgfanout::bench {

Result<double> insert(Insertion& insertion) {
  switch (insertion.what.method) {
    case Method::row:
    case Method::multirow:
      return insert_by_statements(insertion);
    case Method::pipeline:
      return insert_by_pipeline(insertion);
    case Method::copy_text:
    case Method::copy_binary:
      return insert_by_copy(insertion);
    case Method::fan_out:
      return insert_by_fan_out(insertion);
  }
  return refused("internal", "there is no such method");
}

Result<void> Keys::compute(std::uint64_t from, std::uint64_t to) {
  from_ = from;
  keys_.clear();
  if (!insertion_.what.sends_key()) return {};
  return insertion_.rows.append_keys(insertion_.key, from, to, scratch_, keys_);
}

Result<std::vector<std::unique_ptr<WriteChannel>>> open_channels(Insertion& insertion) {
  std::vector<std::unique_ptr<WriteChannel>> channels;
  for (Connection& connection : insertion.connections) {
    channels.push_back(make_write_channel(std::move(connection)));
  }
  return channels;
}

Share share_of(std::uint64_t rows, std::uint32_t writers, std::uint32_t writer) {
  return {rows * writer / writers, rows * (writer + 1ULL) / writers};
}

Result<double> time_writers(std::uint32_t writers,
                            const std::function<Result<void>(std::uint32_t)>& work) {
  std::latch ready(writers + 1);
  std::vector<std::optional<Error>> errors(writers);
  std::vector<std::thread> threads;
  threads.reserve(writers);
  for (std::uint32_t writer = 0; writer < writers; ++writer) {
    threads.emplace_back([&, writer] {
      ready.arrive_and_wait();
      auto done = run_caught("the writer", [&] { return work(writer); });
      if (!done) errors[writer] = std::move(done).error();
    });
  }
  ready.arrive_and_wait();
  const auto start = std::chrono::steady_clock::now();
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  for (std::optional<Error>& error : errors) {
    if (error) return *std::move(error);
  }
  return taken.count();
}

}  // namespace pgfanout::bench

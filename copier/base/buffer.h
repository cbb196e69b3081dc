// A byte buffer that is filled once: capacity without zeroing, a length that only grows. Move-only;
// what was moved from is empty and has no capacity.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "pgfanout/bytes.h"

namespace pgfanout {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t capacity_bytes)
      : data_(new std::uint8_t[capacity_bytes],
              [](void* data) { delete[] static_cast<std::uint8_t*>(data); }),
        capacity_(capacity_bytes) {}
  /// Takes over bytes that are there already; `free` ends them.
  Buffer(void* data, std::size_t bytes, void (*free)(void*))
      : data_(static_cast<std::uint8_t*>(data), free), capacity_(bytes), size_(bytes) {}
  Buffer(Buffer&& other) noexcept
      : data_(std::move(other.data_)),
        capacity_(std::exchange(other.capacity_, 0)),
        size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    data_ = std::move(other.data_);
    capacity_ = std::exchange(other.capacity_, 0);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }
  ~Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] std::size_t room() const { return capacity_ - size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] const std::uint8_t* data() const { return data_.get(); }
  [[nodiscard]] std::uint8_t* mutable_data() { return data_.get(); }
  [[nodiscard]] ByteView view() const { return {data_.get(), size_}; }

  /// Room for `bytes` at the end, counted as filled. The caller has checked room().
  [[nodiscard]] std::uint8_t* extend(std::size_t bytes) {
    std::uint8_t* at = data_.get() + size_;
    size_ += bytes;
    return at;
  }
  /// Copies `bytes` to the end. The caller has checked room().
  void append(ByteView bytes) {
    if (!bytes.empty()) std::memcpy(extend(bytes.size()), bytes.data(), bytes.size());
  }
  void clear() { size_ = 0; }

 private:
  std::unique_ptr<std::uint8_t[], void (*)(void*)> data_{nullptr, [](void*) {}};
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

}  // namespace pgfanout

// A value behind a mutex, which is held whenever the value is reached.
#pragma once

#include <mutex>
#include <utility>

namespace pgfanout {

template <class Value>
class Guarded {
 public:
  /// Holds the mutex as long as it lives: to the end of the expression, or of a named object's
  /// scope.
  template <class Reached>
  class Lock {
   public:
    Lock(std::mutex& mutex, Reached& value) : lock_(mutex), value_(value) {}
    Reached* operator->() const { return &value_; }
    Reached& operator*() const { return value_; }

   private:
    std::lock_guard<std::mutex> lock_;
    Reached& value_;
  };

  explicit Guarded(Value value = {}) : value_(std::move(value)) {}
  Lock<Value> lock() { return {mutex_, value_}; }
  Lock<const Value> lock() const { return {mutex_, value_}; }
  Lock<Value> operator->() { return lock(); }
  Lock<const Value> operator->() const { return lock(); }

 private:
  mutable std::mutex mutex_;
  Value value_;
};

}  // namespace pgfanout

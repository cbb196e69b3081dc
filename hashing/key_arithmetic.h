// The server's integer arithmetic: never wraps, never undefined. Each function writes `result` and
// returns ok, or returns why there is none.
#pragma once

#include <cstdint>
#include <limits>

#include "hashing/key_expression.h"

namespace pgfanout::keyexpr {

[[nodiscard]] constexpr KeyState unless_overflow(bool overflow) {
  return overflow ? KeyState::out_of_range : KeyState::ok;
}

template <class Integer>
KeyState checked_add(Integer left, Integer right, Integer& result) {
  return unless_overflow(__builtin_add_overflow(left, right, &result));
}

template <class Integer>
KeyState checked_subtract(Integer left, Integer right, Integer& result) {
  return unless_overflow(__builtin_sub_overflow(left, right, &result));
}

template <class Integer>
KeyState checked_multiply(Integer left, Integer right, Integer& result) {
  return unless_overflow(__builtin_mul_overflow(left, right, &result));
}

/// Truncates towards zero. The smallest integer divided by -1 does not fit.
template <class Integer>
KeyState checked_divide(Integer left, Integer right, Integer& result) {
  if (right == 0) return KeyState::division_by_zero;
  if (right == -1) return checked_subtract(Integer{0}, left, result);
  result = static_cast<Integer>(left / right);
  return KeyState::ok;
}

/// Has the sign of `left`. By -1 it is 0, also for the smallest integer.
template <class Integer>
KeyState checked_modulo(Integer left, Integer right, Integer& result) {
  if (right == 0) return KeyState::division_by_zero;
  result = right == -1 ? Integer{0} : static_cast<Integer>(left % right);
  return KeyState::ok;
}

template <class Integer>
KeyState bit_and(Integer left, Integer right, Integer& result) {
  result = static_cast<Integer>(left & right);
  return KeyState::ok;
}

template <class Integer>
KeyState bit_or(Integer left, Integer right, Integer& result) {
  result = static_cast<Integer>(left | right);
  return KeyState::ok;
}

template <class Integer>
KeyState bit_xor(Integer left, Integer right, Integer& result) {
  result = static_cast<Integer>(left ^ right);
  return KeyState::ok;
}

template <class Integer>
KeyState checked_narrow(std::int64_t value, Integer& result) {
  return unless_overflow(__builtin_add_overflow(value, 0, &result));
}

template <class Integer>
KeyState checked_negate(std::int64_t value, Integer& result) {
  return unless_overflow(__builtin_sub_overflow(0, value, &result));
}

template <class Integer>
KeyState checked_absolute(std::int64_t value, Integer& result) {
  return value < 0 ? checked_negate(value, result) : checked_narrow(value, result);
}

}  // namespace pgfanout::keyexpr

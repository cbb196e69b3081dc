// Exceptions end where errors begin: at the entry of each thread, and of each command. What a
// thread throws becomes an error that names it, and never ends the process.
#pragma once

#include <exception>
#include <string_view>
#include <type_traits>
#include <utility>

#include "copier/base/crash_point.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The error of code "internal" for what `who` ("the reader") has thrown. Needs no memory if there
/// is none.
[[nodiscard]] Error error_of_exception(std::string_view who, const std::exception& thrown) noexcept;

/// Runs `work`, which returns nothing or a Result<void>. An exception is an error.
template <class Work>
Result<void> run_caught(std::string_view who, Work&& work) noexcept {
  try {
    throw_point(who);
    if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
      std::forward<Work>(work)();
      return {};
    } else {
      return std::forward<Work>(work)();
    }
  } catch (const std::exception& thrown) {
    return error_of_exception(who, thrown);
  } catch (...) {
    return error_of_exception(who, std::exception());
  }
}

}  // namespace pgfanout

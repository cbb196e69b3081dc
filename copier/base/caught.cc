#include "copier/base/caught.h"

#include <fmt/format.h>

#include <cerrno>
#include <new>
#include <string>
#include <system_error>

namespace pgfanout {
namespace {

Error error_with_hint(std::string_view who, const std::exception& thrown) {
  if (dynamic_cast<const std::bad_alloc*>(&thrown) != nullptr) {
    return interrupted("internal", fmt::format("{} ran out of memory", who),
                       "free memory on this host, or lower --memory, then run the same command "
                       "again");
  }
  std::string message = fmt::format("{} failed within itself: {}", who, thrown.what());
  if (const auto* system = dynamic_cast<const std::system_error*>(&thrown)) {
    const int number = system->code().value();
    if (number == EMFILE || number == ENFILE) {
      return interrupted(
          "internal", std::move(message),
          "raise the limit of open files (ulimit -n), then run the same command again");
    }
    if (number == EAGAIN) {
      return interrupted(
          "internal", std::move(message),
          "raise the limit of processes and threads (ulimit -u), then run the same command again");
    }
  }
  return interrupted("internal", std::move(message), "please report this, with the command line");
}

}  // namespace

Error error_of_exception(std::string_view who, const std::exception& thrown) noexcept {
  try {
    return error_with_hint(who, thrown);
  } catch (...) {
    // Texts so short are within the strings themselves.
    return interrupted("internal", "no memory left");
  }
}

}  // namespace pgfanout

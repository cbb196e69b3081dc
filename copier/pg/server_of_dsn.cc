#include "copier/pg/server_of_dsn.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <memory>

namespace pgfanout {

std::string server_of_dsn(const std::string& dsn) {
  // Only these parts are shown: others may be secrets or names of files.
  constexpr std::array<std::string_view, 6> shown = {"service", "host",   "hostaddr",
                                                     "port",    "dbname", "user"};
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      PQconninfoParse(dsn.c_str(), nullptr), &PQconninfoFree);
  std::string text;
  for (const PQconninfoOption* option = options.get();
       option != nullptr && option->keyword != nullptr; ++option) {
    const bool is_shown = std::find(shown.begin(), shown.end(), option->keyword) != shown.end();
    if (!is_shown || option->val == nullptr) continue;
    text += (text.empty() ? "" : " ") + std::string(option->keyword) + "=" + option->val;
  }
  return text;
}

}  // namespace pgfanout

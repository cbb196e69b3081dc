#include "bench/insert/insert_case.h"

#include <fmt/format.h>

#include <array>
#include <cstddef>

namespace pgfanout::bench {
namespace {

template <std::size_t N, class Enum>
std::string_view name_in(const std::array<std::string_view, N>& names, Enum value) {
  return names.at(static_cast<std::size_t>(value));
}

constexpr std::array<std::string_view, 6> kMethods = {"row",       "multirow",    "pipeline",
                                                      "copy_text", "copy_binary", "fan_out"};
constexpr std::array<std::string_view, 3> kLayouts = {"plain", "list", "expression"};
constexpr std::array<std::string_view, 5> kKeys = {"client", "trigger", "generated", "expression",
                                                   "nobody"};
constexpr std::array<std::string_view, 3> kWidths = {"narrow", "demo", "wide"};
constexpr std::array<std::string_view, 3> kIndexes = {"none", "present", "deferred"};

/// On LIST (partition_key) only the client can know the key.
std::optional<std::string> why_not_by_list(KeyBy key) {
  switch (key) {
    case KeyBy::client:
      return std::nullopt;
    case KeyBy::trigger:
      return "a row is routed before its BEFORE trigger runs, and such a trigger may not move it "
             "to "
             "another partition";
    case KeyBy::generated:
      return "a generated column cannot be the partition key";
    case KeyBy::expression:
      return "the table is partitioned by a column, not by an expression";
    case KeyBy::nobody:
      return "a row without a key has no partition";
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Method method) {
  return name_in(kMethods, method);
}
std::string_view to_string(Layout layout) {
  return name_in(kLayouts, layout);
}
std::string_view to_string(KeyBy key) {
  return name_in(kKeys, key);
}
std::string_view to_string(Width width) {
  return name_in(kWidths, width);
}
std::string_view to_string(Indexes indexes) {
  return name_in(kIndexes, indexes);
}

std::optional<Method> method_of(std::string_view name) {
  for (std::size_t at = 0; at < kMethods.size(); ++at) {
    if (kMethods.at(at) == name) return static_cast<Method>(at);
  }
  return std::nullopt;
}

std::uint32_t default_batch_rows(Method method) {
  switch (method) {
    case Method::row:
    case Method::pipeline:
      return 1000;
    case Method::multirow:
      return 100;
    case Method::copy_text:
    case Method::copy_binary:
      return 10'000;
    case Method::fan_out:
      return 500;
  }
  return 1000;
}

std::uint32_t batch_rows_of(const InsertCase& each) {
  return each.batch_rows == 0 ? default_batch_rows(each.method) : each.batch_rows;
}

std::string name_of(const InsertCase& each) {
  std::string name =
      fmt::format("insert/{}/layout:{}/key:{}/writers:{}/batch:{}", to_string(each.method),
                  to_string(each.layout), to_string(each.key), each.writers, batch_rows_of(each));
  if (each.width != Width::demo) name += fmt::format("/width:{}", to_string(each.width));
  if (each.indexes != Indexes::none) name += fmt::format("/indexes:{}", to_string(each.indexes));
  return name;
}

std::optional<std::string> why_impossible(const InsertCase& each) {
  if (each.method == Method::fan_out && !each.has_leaves()) return "a plain table has no leaves";
  if (each.layout == Layout::list) return why_not_by_list(each.key);
  if (each.layout == Layout::plain && each.key == KeyBy::expression) {
    return "a plain table is not partitioned, so the server has no key to compute";
  }
  if (each.layout == Layout::expression && each.key == KeyBy::nobody) {
    return "the server computes the key of each row to route it";
  }
  if (each.layout == Layout::expression && each.indexes != Indexes::none) {
    return "a table partitioned by an expression can have no primary key";
  }
  return std::nullopt;
}

}  // namespace pgfanout::bench

// Short forms of what is done with lists again and again.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <iterator>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace pgfanout {

/// Whether `list` has `value`, or an element whose `part` (a member) is `value`.
template <class List, class Value, class Part = std::identity>
[[nodiscard]] constexpr bool contains(const List& list, const Value& value, Part part = {}) {
  return std::ranges::find(list, value, part) != std::ranges::end(list);
}

/// The first element for which `is_wanted` holds; null: there is none.
template <class List, class Predicate>
[[nodiscard]] auto find_where(List& list, Predicate is_wanted) {
  const auto found = std::ranges::find_if(list, is_wanted);
  return found == std::ranges::end(list) ? nullptr : &*found;
}

/// The first element whose `part` (a member) is `value`; null: there is none.
template <class List, class Part, class Value>
[[nodiscard]] auto find_by(List& list, Part part, const Value& value) {
  const auto found = std::ranges::find(list, value, part);
  return found == std::ranges::end(list) ? nullptr : &*found;
}

/// A `part` (a member, or a function) of each element.
template <class List, class Part>
[[nodiscard]] auto parts_of(const List& list, Part part) {
  std::vector<std::decay_t<std::invoke_result_t<Part&, decltype(*std::begin(list))>>> parts;
  for (const auto& each : list) parts.push_back(std::invoke(part, each));
  return parts;
}

/// The sum of a `part` of all elements.
template <class List, class Part>
[[nodiscard]] auto sum_of(const List& list, Part part) {
  std::decay_t<std::invoke_result_t<Part&, decltype(*std::begin(list))>> sum{};
  for (const auto& each : list) sum += std::invoke(part, each);
  return sum;
}

template <class List, class More>
void append(List& list, const More& more) {
  list.insert(std::end(list), std::begin(more), std::end(more));
}

/// Sorts, and leaves each value once.
template <class List>
void sort_unique(List& list) {
  std::ranges::sort(list);
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

/// "a, b, c": `text_of` each element. Those without a text are left out.
template <std::ranges::range List, class TextOf = std::identity>
[[nodiscard]] std::string joined(const List& list, std::string_view separator,
                                 TextOf text_of = {}) {
  std::string all;
  for (const auto& each : list) {
    const std::string text(std::invoke(text_of, each));
    if (text.empty()) continue;
    if (!all.empty()) all += separator;
    all += text;
  }
  return all;
}

/// The same of the numbers from 0 to `count` - 1.
template <std::same_as<std::size_t> Count, class TextOf>
[[nodiscard]] std::string joined(Count count, std::string_view separator, TextOf text_of) {
  std::string all;
  for (std::size_t at = 0; at < count; ++at) {
    if (at > 0) all += separator;
    all += text_of(at);
  }
  return all;
}

}  // namespace pgfanout

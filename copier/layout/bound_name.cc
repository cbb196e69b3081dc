#include "copier/layout/bound_name.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <vector>

#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

/// More values of LIST are no name any more.
constexpr std::size_t kMostBytes = 40;

/// The text in the parentheses at piece `at`, behind which `at` is afterwards.
std::string inside(const std::vector<SqlPiece>& pieces, std::size_t& at) {
  std::string text;
  int depth = 0;
  for (; at < pieces.size(); ++at) {
    if (pieces[at].is(")") && --depth == 0) return text;
    if (depth > 0) text += pieces[at].text;
    if (pieces[at].is("(")) ++depth;
  }
  return text;
}

/// Of a literal that is midnight of a day, in whatever time zone it is printed.
std::optional<std::chrono::year_month_day> day_of(const std::string& literal) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int length = 0;
  const int read = std::sscanf(literal.c_str(), "'%4d-%2u-%2u%n", &year, &month, &day, &length);
  const std::string_view rest = std::string_view(literal).substr(static_cast<std::size_t>(length));
  if (read != 3 || length != 11 || (rest != "'" && !rest.starts_with(" 00:00:00"))) return {};
  if (rest.find("BC") != std::string_view::npos || rest.find('.') != std::string_view::npos)
    return {};
  const std::chrono::year_month_day found{std::chrono::year(year), std::chrono::month(month),
                                          std::chrono::day(day)};
  return found.ok() ? std::optional(found) : std::nullopt;
}

std::string range_name(const std::string& from, const std::string& to) {
  using std::chrono::day;
  using std::chrono::months;
  using std::chrono::sys_days;
  using std::chrono::years;
  const auto first = day_of(from);
  const auto end = day_of(to);
  if (first && end) {
    const auto year = static_cast<int>(first->year());
    const auto month = static_cast<unsigned>(first->month());
    const bool begins_month = first->day() == day(1);
    if (begins_month && month == 1 && *first + years(1) == *end) return fmt::format("{}", year);
    if (begins_month && *first + months(1) == *end) return fmt::format("{}-{:02}", year, month);
    if (sys_days(*first) + std::chrono::days(1) == sys_days(*end)) {
      return fmt::format("{}-{:02}-{:02}", year, month, static_cast<unsigned>(first->day()));
    }
  }
  return from + " to " + to;
}

}  // namespace

std::string bound_name(std::string_view bound) {
  if (bound == "DEFAULT") return "default";
  const std::vector<SqlPiece> pieces = sql_pieces(bound);
  std::vector<std::string> lists;
  for (std::size_t at = 0; at < pieces.size(); ++at) {
    if (pieces[at].is("(")) lists.push_back(inside(pieces, at));
  }
  if (lists.size() == 2) return range_name(lists[0], lists[1]);
  if (lists.size() != 1) return {};
  const std::vector<SqlPiece> words = sql_words(lists[0]);
  const bool is_hash = words.size() == 5 && words[2].is(",") && words[0].is_name();
  if (is_hash) return fmt::format("remainder {} of {}", words[4].text, words[1].text);
  if (lists[0].size() <= kMostBytes) return lists[0];
  std::size_t end = kMostBytes;
  while (end > 0 && (static_cast<unsigned char>(lists[0][end]) & 0xC0) == 0x80) --end;
  return lists[0].substr(0, end) + "...";
}

}  // namespace pgfanout

#include "copier/verify/criteria.h"

#include <fmt/format.h>

#include <algorithm>

namespace pgfanout {
namespace {

constexpr const char* kPass = "pass";
constexpr const char* kFail = "fail";
constexpr const char* kNotApplicable = "not applicable";
constexpr const char* kNotChecked = "not checked";

bool looks_at(VerifyScope scope, std::string_view scopes) {
  const auto has = [&](std::string_view word) { return scopes.find(word) != scopes.npos; };
  switch (scope) {
    case VerifyScope::quick:
      return has("quick");
    case VerifyScope::data:
      return has("data");
    case VerifyScope::schema:
      return has("schema");
    case VerifyScope::full:
      break;
  }
  return has("data") || has("schema");
}

}  // namespace

CriteriaBook::CriteriaBook(VerifyScope scope) {
  for (const CriterionFacts& each : kCriteria) {
    const char* why = looks_at(scope, each.scopes) ? "the verification ended before it"
                                                   : "this scope does not look at it";
    entries_.push_back(
        {each.criterion, {std::string(each.name), kNotChecked, each.severity, why}, 0});
  }
}

/// A part gets an entry of its own behind those of its criterion, whose own entry it replaces.
CriteriaBook::Entry& CriteriaBook::entry(Criterion criterion, std::string_view part) {
  const CriterionFacts& facts = facts_of(criterion);
  const std::string name =
      part.empty() ? std::string(facts.name) : fmt::format("{}: {}", facts.name, part);
  const auto same =
      std::ranges::find_if(entries_, [&](const Entry& each) { return each.result.name == name; });
  if (same != entries_.end()) return *same;
  const auto own = std::ranges::find_if(
      entries_, [&](const Entry& each) { return each.result.name == facts.name; });
  if (own != entries_.end()) {
    own->result.name = name;
    return *own;
  }
  const auto behind =
      std::ranges::find_if(entries_, [&](const Entry& each) { return each.criterion > criterion; });
  return *entries_.insert(behind, {criterion, {name, kNotChecked, facts.severity, {}}, 0});
}

void CriteriaBook::ran(Criterion criterion, std::string detail, std::string_view part) {
  CriterionResult& result = entry(criterion, part).result;
  if (result.status == kFail || !result.code.empty()) return;
  result.status = kPass;
  result.detail = std::move(detail);
}

void CriteriaBook::not_applicable(Criterion criterion, std::string why) {
  CriterionResult& result = entry(criterion, {}).result;
  result.status = kNotApplicable;
  result.detail = std::move(why);
}

void CriteriaBook::not_checked(Criterion criterion, std::string why) {
  CriterionResult& result = entry(criterion, {}).result;
  if (result.status == kFail) return;
  result.status = kNotChecked;
  result.detail = std::move(why);
}

void CriteriaBook::could_not_check(Criterion criterion, const Issue& issue, std::string_view part) {
  hindrance_ = std::min(hindrance_, issue.severity);
  codes_.insert(issue.code);
  CriterionResult& result = entry(criterion, part).result;
  if (result.status == kFail) return;
  result.status = kNotChecked;
  result.detail = issue.message;
  result.code = issue.code;
}

void CriteriaBook::found(Criterion criterion, const Issue& issue, std::string_view part) {
  if (issue.severity == Severity::info) return;
  codes_.insert(issue.code);
  Entry& of = entry(criterion, part);
  const bool is_first = of.result.status != kFail;
  if (!is_first) ++of.more;
  if (!is_first && of.result.severity <= issue.severity) return;
  of.result.status = kFail;
  of.result.severity = issue.severity;
  of.result.detail = issue.message;
  of.result.code = issue.code;
}

bool CriteriaBook::fails(Severity from) const {
  return std::ranges::any_of(entries_, [&](const Entry& each) {
    return each.result.status == kFail && each.result.severity <= from;
  });
}

std::vector<CriterionResult> CriteriaBook::results() const {
  std::vector<CriterionResult> results;
  for (const Entry& each : entries_) {
    results.push_back(each.result);
    if (each.more > 0) results.back().detail += fmt::format("; and {} more", each.more);
  }
  return results;
}

}  // namespace pgfanout

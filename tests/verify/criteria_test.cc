#include "copier/verify/criteria.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace pgfanout {
namespace {

Issue issue_with(Severity severity, const std::string& message) {
  return {severity, "some-code", message, {}, {}};
}

CriterionResult result_of(const CriteriaBook& book, const std::string& name) {
  for (const CriterionResult& each : book.results()) {
    if (each.name == name) return each;
  }
  return {"", "none", Severity::info, "", ""};
}

TEST(Criteria, FactsStandAtTheirPlaces) {
  for (std::size_t at = 0; at < kCriteria.size(); ++at) {
    EXPECT_EQ(static_cast<std::size_t>(kCriteria.at(at).criterion), at);
    EXPECT_EQ(kCriteria.at(at).code.empty(), kCriteria.at(at).failure.empty());
  }
}

TEST(Criteria, NothingPassesThatWasNotLookedAt) {
  const auto why = [](VerifyScope scope, const char* name) {
    return result_of(CriteriaBook(scope), name).detail;
  };
  for (const VerifyScope scope :
       {VerifyScope::quick, VerifyScope::data, VerifyScope::schema, VerifyScope::full}) {
    const auto results = CriteriaBook(scope).results();
    EXPECT_EQ(results.size(), kCriteria.size());
    EXPECT_TRUE(std::all_of(results.begin(), results.end(), [](const CriterionResult& each) {
      return each.status == "not checked";
    }));
  }
  const char* other = "this scope does not look at it";
  const char* ended = "the verification ended before it";
  EXPECT_EQ(why(VerifyScope::quick, "row digests equal"), other);
  EXPECT_EQ(why(VerifyScope::quick, "row counts equal"), ended);
  EXPECT_EQ(why(VerifyScope::data, "schema"), other);
  EXPECT_EQ(why(VerifyScope::full, "schema"), ended);
  EXPECT_EQ(why(VerifyScope::full, "row digests equal"), ended);
  EXPECT_EQ(why(VerifyScope::full, "sampled rows equal"), other);
}

TEST(Criteria, TheWorstFindingIsTold) {
  CriteriaBook book(VerifyScope::data);
  book.found(Criterion::constraints, issue_with(Severity::info, "a note"));
  book.ran(Criterion::constraints, "5 constraints");
  EXPECT_EQ(result_of(book, "constraints valid").status, "pass");
  EXPECT_FALSE(book.fails(Severity::warning));
  book.found(Criterion::constraints, issue_with(Severity::warning, "first"));
  book.found(Criterion::constraints, issue_with(Severity::error, "second"));
  book.found(Criterion::constraints, issue_with(Severity::warning, "third"));
  book.ran(Criterion::constraints, "5 constraints");
  const CriterionResult result = result_of(book, "constraints valid");
  EXPECT_EQ(result.status, "fail");
  EXPECT_EQ(result.severity, Severity::error);
  EXPECT_EQ(result.detail, "second; and 2 more");
  EXPECT_EQ(result.code, "some-code");
  EXPECT_TRUE(book.fails(Severity::error));
  EXPECT_FALSE(book.fails(Severity::critical));
  EXPECT_TRUE(book.has(issue_with(Severity::error, "any")));
}

TEST(Criteria, WhatCouldNotBeCheckedIsNoPassAndNoProof) {
  CriteriaBook book(VerifyScope::data);
  book.could_not_check(Criterion::rules, issue_with(Severity::error, "broken"), "mine");
  book.ran(Criterion::rules, "no row violates it", "mine");
  EXPECT_EQ(result_of(book, "rule: mine").status, "not checked");
  EXPECT_EQ(result_of(book, "rule: mine").detail, "broken");
  EXPECT_TRUE(book.is_unproven(Severity::critical)) << "no --fail-on forgives it";
  CriteriaBook other(VerifyScope::data);
  other.not_checked(Criterion::sequences, "its limits are known");
  EXPECT_FALSE(other.is_unproven(Severity::warning));
  other.could_not_check(Criterion::references, issue_with(Severity::warning, "no right"));
  EXPECT_FALSE(other.is_unproven(Severity::error));
  EXPECT_TRUE(other.is_unproven(Severity::warning));
}

TEST(Criteria, PartsStandInTheirCriterionsPlace) {
  CriteriaBook book(VerifyScope::full);
  book.ran(Criterion::schema, "2", "column");
  book.found(Criterion::rules, issue_with(Severity::error, "x"), "mine");
  book.ran(Criterion::schema, "1", "index");
  book.ran(Criterion::rules, "y", "other: one");
  std::vector<std::string> names;
  for (const CriterionResult& each : book.results()) names.push_back(each.name);
  names.erase(names.begin(), names.begin() + static_cast<int>(Criterion::schema));
  EXPECT_THAT(names, ::testing::ElementsAre("schema: column", "schema: index", "rule: mine",
                                            "rule: other: one"));
}

}  // namespace
}  // namespace pgfanout

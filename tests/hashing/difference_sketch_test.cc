// The difference sketch against a naive twin that remembers every element, and against planted
// differences. Seeds are fixed, so a sketch that fails by bad luck fails always or never.
#include "hashing/difference_sketch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <utility>
#include <vector>

namespace pgfanout {
namespace {

using Element = std::vector<std::uint32_t>;
using Differences = std::vector<DifferenceSketch::Difference>;

constexpr std::size_t row_words = 10;  // An identity of six words and a digest of four.
constexpr std::size_t identity_words = 6;

/// The naive twin: counts every element.
class NaiveDifference {
 public:
  void change(const Element& element, std::int64_t copies) { counts_[element] += copies; }
  [[nodiscard]] Differences differences() const {
    Differences found;
    for (const auto& [element, count] : counts_) {
      if (count != 0) found.push_back({element, count});
    }
    return found;
  }

 private:
  std::map<Element, std::int64_t> counts_;
};

/// A sketch and its twin, which get the same elements.
class Both {
 public:
  Both(std::size_t element_words, std::size_t max_elements)
      : sketch_(element_words, max_elements) {}

  void add(const Element& element, std::int64_t copies = 1) {
    twin_.change(element, copies);
    for (std::int64_t i = 0; i < copies; ++i) sketch_.add_many(element.data(), 1);
  }
  void subtract(const Element& element, std::int64_t copies = 1) {
    twin_.change(element, -copies);
    for (std::int64_t i = 0; i < copies; ++i) sketch_.subtract_many(element.data(), 1);
  }
  [[nodiscard]] const DifferenceSketch& sketch() const { return sketch_; }
  [[nodiscard]] Differences expected() const { return twin_.differences(); }
  [[nodiscard]] DifferenceSketch::Answer peel() && { return std::move(sketch_).peel(); }

 private:
  DifferenceSketch sketch_;
  NaiveDifference twin_;
};

Element random_element(std::size_t words, std::mt19937& random) {
  Element element(words);
  for (std::uint32_t& word : element) word = static_cast<std::uint32_t>(random());
  return element;
}

/// A row as tables have them: identities are small numbers.
Element random_row(std::uint32_t identity, std::mt19937& random) {
  Element row = random_element(row_words, random);
  std::fill_n(row.begin(), identity_words, 0);
  row[identity_words - 1] = identity;
  return row;
}

void expect_exact(Both both) {
  const Differences expected = both.expected();
  const DifferenceSketch::Answer answer = std::move(both).peel();
  EXPECT_TRUE(answer.is_complete);
  EXPECT_EQ(answer.differences.size(), expected.size());
  EXPECT_TRUE(answer.differences == expected);
}

TEST(DifferenceSketchTest, IsEmptyAtFirst) {
  EXPECT_TRUE(DifferenceSketch(row_words, 100).is_zero());
  expect_exact(Both(row_words, 100));
  expect_exact(Both(1, 0));
}

TEST(DifferenceSketchTest, EqualSetsInAnotherOrderLeaveNothing) {
  std::mt19937 random(1);
  std::vector<Element> rows(3000);
  for (Element& row : rows) row = random_element(row_words, random);
  Both both(row_words, 10);
  for (const Element& row : rows) both.add(row);
  EXPECT_FALSE(both.sketch().is_zero());
  std::shuffle(rows.begin(), rows.end(), random);
  for (const Element& row : rows) both.subtract(row);
  EXPECT_TRUE(both.sketch().is_zero());
  expect_exact(std::move(both));
}

TEST(DifferenceSketchTest, OneBitOfOneWord) {
  std::mt19937 random(2);
  for (std::size_t bit = 0; bit < 32 * row_words; ++bit) {
    Both both(row_words, 2);
    Element row = random_element(row_words, random);
    both.add(row);
    row[bit / 32] ^= std::uint32_t{1} << (bit % 32);
    both.subtract(row);
    expect_exact(std::move(both));
  }
}

TEST(DifferenceSketchTest, SurplusCopiesCountTheDifference) {
  std::mt19937 random(3);
  for (std::int64_t more = 0; more < 12; ++more) {
    for (std::int64_t fewer = 0; fewer < 12; ++fewer) {
      Both both(row_words, 2);
      const Element row = random_element(row_words, random);
      both.add(row, more);
      both.subtract(row, fewer);
      if (more != fewer) {
        EXPECT_EQ(both.expected(), (Differences{{row, more - fewer}}));
      }
      expect_exact(std::move(both));
    }
  }
}

TEST(DifferenceSketchTest, PairsOfEqualElementsThatWereLost) {
  std::mt19937 random(4);
  Both both(row_words, 50);
  for (std::size_t i = 0; i < 50; ++i) both.add(random_element(row_words, random), 2);
  expect_exact(std::move(both));
}

TEST(DifferenceSketchTest, DigestsSwappedBetweenTwoIdentities) {
  // Every sum of words over all four is zero.
  std::mt19937 random(5);
  for (std::uint32_t i = 0; i < 100; ++i) {
    Both both(row_words, 4);
    Element first = random_row(i, random);
    Element second = random_row(i + 1, random);
    both.add(first);
    both.add(second);
    std::swap_ranges(first.begin() + identity_words, first.end(), second.begin() + identity_words);
    both.subtract(first);
    both.subtract(second);
    EXPECT_EQ(both.expected().size(), 4U);
    expect_exact(std::move(both));
  }
}

TEST(DifferenceSketchTest, SmallestAndLargestWords) {
  Both both(row_words, 6);
  const Element zeros(row_words, 0);
  const Element ones(row_words, ~std::uint32_t{0});
  both.add(zeros, 3);
  both.subtract(ones, 7);
  both.add(Element(row_words, 1));
  both.subtract(Element(row_words, std::uint32_t{1} << 31));
  expect_exact(std::move(both));
}

TEST(DifferenceSketchTest, ManyCopiesOfOneElementAreOneDifference) {
  std::mt19937 random(6);
  Both both(row_words, 100);
  both.add(random_element(row_words, random), 10'000);
  both.subtract(random_element(row_words, random), 10'007);
  both.add(Element(row_words, ~std::uint32_t{0}), 65'537);
  for (std::int64_t i = 0; i < 97; ++i) both.add(random_element(row_words, random), 1 + (i % 3));
  expect_exact(std::move(both));
}

TEST(DifferenceSketchTest, MoreCopiesThanTheSumsCanHoldAreNotNamed) {
  for (const std::uint32_t word : {0U, 1U, 2U, 3U, 4U, 5U, 0x7fffffffU, 0x80000000U, 0xffffffffU}) {
    const Element element(row_words, word);
    DifferenceSketch sketch(row_words, 1);
    sketch.subtract_many(element.data(), 1);
    for (int doubling = 0; doubling < 63; ++doubling) {
      const DifferenceSketch::Answer answer = DifferenceSketch(sketch).peel();
      EXPECT_EQ(answer.is_complete, doubling <= 32) << doubling;
      if (answer.is_complete) {
        EXPECT_EQ(answer.differences, (Differences{{element, -(std::int64_t{1} << doubling)}}));
      }
      sketch.merge(sketch);
    }
  }
}

/// Some elements that differ, with copies on either side, among others that cancel out.
Both random_difference(std::size_t words, std::size_t max_elements, std::size_t elements,
                       std::mt19937& random) {
  Both both(words, max_elements);
  for (std::size_t i = 0; i < elements; ++i) {
    const Element element = random_element(words, random);
    const auto copies = static_cast<std::int64_t>(random() % 4 == 0 ? 1 + random() % 40 : 1);
    if (random() % 2 == 0) {
      both.add(element, copies);
    } else {
      both.subtract(element, copies);
    }
    const Element equal = random_element(words, random);
    both.add(equal);
    both.subtract(equal);
  }
  return both;
}

TEST(DifferenceSketchTest, RandomDifferencesAreTheTwins) {
  std::mt19937 random(7);
  for (const std::size_t words : {1U, 2U, 3U, 10U, 20U, 33U}) {
    for (const std::size_t elements : {1U, 2U, 10U, 100U, 1000U}) {
      const std::size_t runs = elements < 1000 ? 10 : 1;
      for (std::size_t run = 0; run < runs; ++run) {
        SCOPED_TRACE(testing::Message() << elements << " elements of " << words << ", run " << run);
        expect_exact(random_difference(words, elements, elements, random));
      }
    }
  }
}

TEST(DifferenceSketchTest, FourHundredDifferencesWithDuplicates) {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    std::mt19937 random(seed);
    Both both(row_words, 800);
    for (std::uint32_t i = 0; i < 400; ++i) {
      const auto copies = static_cast<std::int64_t>(i % 5 == 0 ? 2 + random() % 20 : 1);
      if (i % 4 != 0) both.add(random_row(i, random), copies);
      if (i % 4 != 1) both.subtract(random_row(i, random), copies);
    }
    SCOPED_TRACE(seed);
    expect_exact(std::move(both));
  }
}

TEST(DifferenceSketchTest, ThreeThousandChangedRowsAmongSixtyThousand) {
  constexpr std::uint32_t rows = 63'000;
  constexpr std::uint32_t changed = 3'000;
  for (std::uint32_t seed = 0; seed < 2; ++seed) {
    std::mt19937 random(seed);
    DifferenceSketch sketch(row_words, std::size_t{2} * changed);
    NaiveDifference twin;  // Is told of changed rows only.
    for (std::uint32_t i = 0; i < rows; ++i) {
      Element row = random_row(i, random);
      sketch.add_many(row.data(), 1);
      if (i % (rows / changed) == 0) {
        twin.change(row, 1);
        row.back() = ~row.back();
        twin.change(row, -1);
      }
      sketch.subtract_many(row.data(), 1);
    }
    const DifferenceSketch::Answer answer = std::move(sketch).peel();
    EXPECT_TRUE(answer.is_complete) << seed;
    EXPECT_EQ(answer.differences.size(), std::size_t{2} * changed);
    EXPECT_TRUE(answer.differences == twin.differences()) << seed;
  }
}

TEST(DifferenceSketchTest, FullSketchesRarelyFail) {
  for (const std::size_t elements : {5U, 10U, 50U, 200U}) {
    std::mt19937 random(8);
    const std::size_t trials = 20'000 / elements;
    std::size_t failures = 0;
    for (std::size_t trial = 0; trial < trials; ++trial) {
      DifferenceSketch sketch(2, elements);
      for (std::size_t i = 0; i < elements; ++i)
        sketch.add_many(random_element(2, random).data(), 1);
      const DifferenceSketch::Answer answer = std::move(sketch).peel();
      if (!answer.is_complete) ++failures;
    }
    EXPECT_LE(failures, 3U) << "of " << trials << " with " << elements << " elements";
  }
}

TEST(DifferenceSketchTest, TooManyDifferencesAreNeverAWrongAnswer) {
  std::mt19937 random(9);
  for (const std::size_t made_for : {1U, 10U, 100U, 1000U}) {
    for (const std::size_t times : {2U, 3U, 5U, 10U}) {
      for (std::size_t run = 0; run < (made_for < 1000 ? 8U : 1U); ++run) {
        Both both = random_difference(3, made_for, made_for * times, random);
        const Differences expected = both.expected();
        const DifferenceSketch::Answer answer = std::move(both).peel();
        EXPECT_TRUE(!answer.is_complete || answer.differences == expected)
            << times << " times " << made_for << ", run " << run;
      }
    }
  }
}

TEST(DifferenceSketchTest, TwiceAsManyAsALargeSketchWasMadeForAreIncomplete) {
  for (std::uint32_t seed = 0; seed < 3; ++seed) {
    std::mt19937 random(seed);
    DifferenceSketch sketch(row_words, 20'000);
    for (std::size_t i = 0; i < 10'000 * (2 + seed % 3); ++i) {
      sketch.add_many(random_element(row_words, random).data(), 1);
      sketch.subtract_many(random_element(row_words, random).data(), 1);
    }
    EXPECT_FALSE(std::move(sketch).peel().is_complete) << seed;
  }
}

/// Two elements of one word that share all of their cells in the smallest sketch.
std::vector<Element> blocking_pair() {
  std::mt19937 random(12);
  for (std::size_t trial = 0; trial < 200'000; ++trial) {
    std::vector<Element> elements(10);
    DifferenceSketch sketch(1, 1);
    for (Element& element : elements) {
      element = random_element(1, random);
      sketch.add_many(element.data(), 1);
    }
    for (const auto& peeled : std::move(sketch).peel().differences) {
      std::erase(elements, peeled.element);
    }
    if (elements.size() == 2) return elements;
  }
  return {};
}

TEST(DifferenceSketchTest, ElementsThatBlockEachOtherAreIncompleteNotEqual) {
  const std::vector<Element> pair = blocking_pair();
  ASSERT_EQ(pair.size(), 2U);
  for (const bool same_side : {false, true}) {
    DifferenceSketch sketch(1, 1);
    sketch.add_many(pair[0].data(), 1);
    if (same_side) {
      sketch.add_many(pair[1].data(), 1);
    } else {
      sketch.subtract_many(pair[1].data(), 1);  // The count of each cell is zero.
    }
    EXPECT_FALSE(sketch.is_zero());
    const DifferenceSketch::Answer answer = std::move(sketch).peel();
    EXPECT_FALSE(answer.is_complete);
    EXPECT_TRUE(answer.differences.empty());
  }
}

TEST(DifferenceSketchTest, MergedSketchesOfThreadsAreOneSketch) {
  std::mt19937 random(10);
  std::vector<DifferenceSketch> threads(4, DifferenceSketch(row_words, 200));
  Both whole(row_words, 200);
  for (std::uint32_t i = 0; i < 5000; ++i) {
    const Element row = random_row(i, random);
    if (i % 50 != 1) {
      whole.add(row);
      threads[random() % threads.size()].add_many(row.data(), 1);
    }
    if (i % 50 != 2) {
      whole.subtract(row);
      threads[random() % threads.size()].subtract_many(row.data(), 1);
    }
  }
  for (std::size_t i = 1; i < threads.size(); ++i) threads[0].merge(threads[i]);
  const DifferenceSketch::Answer answer = std::move(threads[0]).peel();
  EXPECT_TRUE(answer.is_complete);
  EXPECT_EQ(answer.differences.size(), 200U);
  EXPECT_TRUE(answer.differences == whole.expected());
  expect_exact(std::move(whole));
}

TEST(DifferenceSketchTest, BatchesAreTheirElementsOneByOne) {
  std::mt19937 random(11);
  for (const std::size_t words : {1U, 3U, 10U}) {
    for (const std::size_t count : {0U, 1U, 15U, 16U, 17U, 32U, 500U}) {
      const Element elements = random_element(words * count, random);
      DifferenceSketch sketch(words, 500);
      sketch.add_many(elements.data(), count);
      EXPECT_EQ(sketch.is_zero(), count == 0);
      for (std::size_t i = 0; i < count; ++i) sketch.subtract_many(elements.data() + i * words, 1);
      EXPECT_TRUE(sketch.is_zero()) << count << " elements of " << words;
      for (std::size_t i = 0; i < count; ++i) sketch.add_many(elements.data() + i * words, 1);
      sketch.subtract_many(elements.data(), count);
      EXPECT_TRUE(sketch.is_zero()) << count << " elements of " << words;
    }
  }
}

TEST(DifferenceSketchTest, MemoryFollowsTheDifferencesItIsMadeFor) {
  const std::size_t cell_bytes = (2 + row_words) * sizeof(std::uint64_t);
  EXPECT_EQ(DifferenceSketch(row_words, 20'000).memory_bytes(), 30'000 * cell_bytes);
  EXPECT_EQ(DifferenceSketch(row_words, 200'000).memory_bytes(), 300'000 * cell_bytes);
  EXPECT_LT(DifferenceSketch(row_words, 1).memory_bytes(), 20'000U);
}

#ifndef NDEBUG
TEST(DifferenceSketchTest, MergingDifferentShapesIsAProgrammingError) {
  DifferenceSketch sketch(row_words, 1000);
  EXPECT_DEATH(sketch.merge(DifferenceSketch(row_words, 2000)), "");
  EXPECT_DEATH(sketch.merge(DifferenceSketch(row_words + 1, 1000)), "");
}
#endif

}  // namespace
}  // namespace pgfanout

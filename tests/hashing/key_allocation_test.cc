// Evaluation allocates nothing once its scratch has seen a batch of that size; kernels of partition
// keys never do.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "hashing/key_expression.h"
#include "tests/hashing/partition_rows.h"

namespace {
std::atomic<std::size_t> allocations = 0;
}  // namespace

// Replaces the program's own, only to count. Not inlined: g++ would take free() for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(bytes == 0 ? 1 : bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace pgfanout {
namespace {

TEST(KeyAllocationTest, EvaluationDoesNotAllocateOnceTheScratchHasGrown) {
  const auto expression =
      KeyExpression::compile("abs(hashtext(u::text || '/' || t || i8)) % 100", all_key_columns());
  ASSERT_TRUE(expression);
  KeyRows rows;
  constexpr std::size_t count = 3000;
  for (std::size_t i = 0; i < count; ++i) {
    rows.add_field(std::string(16, static_cast<char>(i)));
    rows.add_field(std::string(i % 90, 't'));
    rows.add_field(binary_integer(static_cast<std::int64_t>(i), 8));
  }
  KeyScratch scratch;
  std::vector<std::int64_t> keys(count);
  std::vector<KeyState> states(count);
  expression->evaluate(rows.base(), rows.fields(), count, scratch, keys, states);
  const std::size_t before = allocations;
  expression->evaluate(rows.base(), rows.fields(), count, scratch, keys, states);
  expression->evaluate(rows.base(), rows.fields(), 100, scratch, keys, states);
  EXPECT_EQ(allocations, before);
  EXPECT_GT(before, 0U);
}

TEST(KeyAllocationTest, KernelsOfPartitionKeysDoNotAllocate) {
  const std::vector<KeyType> types = {KeyType::text};
  PartitionKey key;
  for (const char* bound : {"a long bound beyond the small string", "t"}) {
    key.bounds.push_back({testing::bound_value(bound)});
  }
  KeyRows rows;
  constexpr std::size_t count = 300;
  for (std::size_t i = 0; i < count; ++i) rows.add_field(std::string(i % 90, 't'));
  std::vector<std::int64_t> keys(count);
  std::vector<KeyState> states(count);
  for (const auto& kernel : {make_range_kernel(key, types), make_list_kernel(key, types)}) {
    const std::size_t before = allocations;
    kernel->evaluate(rows.base(), rows.fields(), count, keys, states);
    EXPECT_EQ(allocations, before);
  }
}

}  // namespace
}  // namespace pgfanout

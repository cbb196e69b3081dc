// A buffer fills up once, keeps its place when it moves, and is empty after it moved away.
#include "copier/base/buffer.h"

#include <gtest/gtest.h>

#include <type_traits>
#include <utility>

#include "pgfanout/bytes.h"

namespace pgfanout {
namespace {

TEST(Buffer, BeginsEmpty) {
  const Buffer none;
  EXPECT_EQ(none.capacity(), 0U);
  EXPECT_TRUE(none.empty());
  EXPECT_TRUE(none.view().empty());
  const Buffer some(10);
  EXPECT_EQ(some.capacity(), 10U);
  EXPECT_EQ(some.room(), 10U);
  EXPECT_TRUE(some.empty());
}

TEST(Buffer, AppendsUntilItIsFull) {
  Buffer buffer(5);
  buffer.append(as_bytes("ab"));
  EXPECT_EQ(buffer.room(), 3U);
  buffer.append(as_bytes("cde"));
  EXPECT_EQ(buffer.room(), 0U);
  EXPECT_EQ(as_text(buffer.view()), "abcde");
  buffer.append({});
  EXPECT_EQ(buffer.size(), 5U);
}

TEST(Buffer, ExtendHandsOutRoomBehindWhatIsThere) {
  Buffer buffer(4);
  buffer.append(as_bytes("ab"));
  std::uint8_t* const at = buffer.extend(2);
  EXPECT_EQ(at, buffer.data() + 2);
  at[0] = 'c';
  at[1] = 'd';
  EXPECT_EQ(as_text(buffer.view()), "abcd");
}

TEST(Buffer, ClearKeepsTheCapacity) {
  Buffer buffer(4);
  buffer.append(as_bytes("ab"));
  const std::uint8_t* const data = buffer.data();
  buffer.clear();
  EXPECT_TRUE(buffer.empty());
  EXPECT_EQ(buffer.room(), 4U);
  buffer.append(as_bytes("xyzw"));
  EXPECT_EQ(buffer.data(), data);
  EXPECT_EQ(as_text(buffer.view()), "xyzw");
}

TEST(Buffer, MovesWithoutACopy) {
  static_assert(!std::is_copy_constructible_v<Buffer>);
  Buffer from(4);
  from.append(as_bytes("ab"));
  const std::uint8_t* const data = from.data();
  const Buffer to = std::move(from);
  EXPECT_EQ(to.data(), data);
  EXPECT_EQ(as_text(to.view()), "ab");
}

TEST(Buffer, IsEmptyAfterItMovedAway) {
  Buffer from(4);
  from.append(as_bytes("ab"));
  Buffer to = std::move(from);
  EXPECT_EQ(from.size(), 0U);      // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(from.capacity(), 0U);  // NOLINT(bugprone-use-after-move)
  from = std::move(to);
  EXPECT_EQ(as_text(from.view()), "ab");
  EXPECT_EQ(to.size(), 0U);  // NOLINT(bugprone-use-after-move)
}

TEST(Buffer, TakesOverBytesThatAreThere) {
  static int freed = 0;
  char bytes[] = "abc";
  {
    const Buffer first(bytes, 3, [](void*) { ++freed; });
    EXPECT_EQ(as_text(first.view()), "abc");
    EXPECT_EQ(first.room(), 0U);
    Buffer second(2);
    second = Buffer(bytes, 2, [](void*) { ++freed; });
    EXPECT_EQ(as_text(second.view()), "ab");
  }
  EXPECT_EQ(freed, 2);
}

}  // namespace
}  // namespace pgfanout

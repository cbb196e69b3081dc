#include "tests/hashing/key_twin.h"

namespace pgfanout {
namespace {

TEST(KeyTwinTest, RandomExpressionsAgreeWithTheNaiveTwin) {
  expect_agreement(20240611, 150);
}

}  // namespace
}  // namespace pgfanout

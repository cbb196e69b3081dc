#include "tests/hashing/key_twin.h"

namespace pgfanout {
namespace {

TEST(KeyTwinLongTest, RandomExpressionsAgreeWithTheNaiveTwin) {
  expect_agreement(1, 3000);
}

}  // namespace
}  // namespace pgfanout

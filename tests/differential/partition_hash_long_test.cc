// Ten million answers of a server about HASH partitions: all types, one to four columns, all moduli
// from 1 to 1,000.
#include <gtest/gtest.h>

#include "tests/differential/partition_oracle.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t seed = 1;
constexpr std::size_t rows_each = 10'000;

TEST(PartitionHashLongTest, TenMillionRowsHaveTheServersRemainder) {
  harness::TestServer& server = harness::TestServer::shared();
  PartitionOracle oracle(server.connect(server.create_database("partition_hash_long")));
  std::mt19937_64 random(seed);
  for (std::uint32_t modulus = 1; modulus <= 1000 && !testing::Test::HasFailure(); ++modulus) {
    // Every other table has one column, of each type in turn.
    std::vector<KeyType> types = {kHashedTypes[modulus / 2 % std::size(kHashedTypes)]};
    for (std::size_t more = modulus % 2 == 0 ? 0 : 1 + random() % 3; more > 0; --more) {
      types.push_back(kHashedTypes[random() % std::size(kHashedTypes)]);
    }
    SCOPED_TRACE(fmt::format("modulus {}, seed {}", modulus, seed));
    oracle.expect_same(types, modulus, random_rows(types, rows_each, random));
  }
  EXPECT_EQ(oracle.compared(), 10'000'000U);
}

}  // namespace
}  // namespace pgfanout

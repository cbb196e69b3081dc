#include "hashing/partition_key.h"

namespace pgfanout {

std::unique_ptr<const PartitionKernel> make_list_kernel(const PartitionKey& /*key*/,
                                                        std::span<const KeyType> /*types*/) {
  return nullptr;
}

}  // namespace pgfanout

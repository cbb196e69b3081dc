// LIST: the place of the row's value among those listed. Sorted once, then found by halving.
#include <algorithm>
#include <deque>

#include "hashing/ordered_value.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

struct ListedValue {
  OrderedValue value;
  std::int64_t place = 0;
};

class ListKernel final : public PartitionKernel {
 public:
  explicit ListKernel(KeyType type) : type_(type) {}

  /// False: the bound's value is none of the type.
  [[nodiscard]] bool add(const BoundValue& bound, std::int64_t place) {
    if (bound.kind == BoundValue::Kind::null) {
      null_place_ = place;
      return true;
    }
    const auto value = ordered_value(type_, bound.text, bytes_);
    if (value) values_.push_back({*value, place});
    return value.has_value();
  }

  void sort() { std::ranges::stable_sort(values_, {}, &ListedValue::value); }

  void evaluate(const std::uint8_t* base, std::span<const FieldRef> fields, std::size_t rows,
                std::span<std::int64_t> keys, std::span<KeyState> states) const override {
    for (std::size_t row = 0; row < rows; ++row) {
      const FieldRef& field = fields[row];
      OrderedValue value;
      states[row] = KeyState::ok;
      if (field.is_null()) {
        keys[row] = null_place_;
      } else if (read_ordered(type_, base + field.offset, field.length, value)) {
        const auto found = std::ranges::lower_bound(values_, value, {}, &ListedValue::value);
        const bool is_listed = found != values_.end() && found->value == value;
        keys[row] = is_listed ? found->place : PartitionKey::kNone;
      } else {
        states[row] = KeyState::malformed;
      }
    }
  }

 private:
  KeyType type_;
  std::vector<ListedValue> values_;
  std::deque<std::string> bytes_;  ///< The values' own; their places stay.
  std::int64_t null_place_ = PartitionKey::kNone;
};

}  // namespace

std::unique_ptr<const PartitionKernel> make_list_kernel(const PartitionKey& key,
                                                        std::span<const KeyType> types) {
  if (types.size() != 1 || types.front() == KeyType::other) return nullptr;
  auto kernel = std::make_unique<ListKernel>(types.front());
  std::int64_t place = 0;
  for (const std::vector<BoundValue>& bound : key.bounds) {
    if (!kernel->add(bound.front(), place++)) return nullptr;
  }
  kernel->sort();
  return kernel;
}

}  // namespace pgfanout

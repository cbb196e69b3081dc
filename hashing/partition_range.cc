// RANGE: the number of bounds that are not above the row, found by halving.
#include <algorithm>
#include <array>
#include <deque>

#include "hashing/ordered_value.h"
#include "hashing/partition_key.h"

namespace pgfanout {
namespace {

constexpr std::size_t kMostKeyColumns = 32;  // PARTITION_MAX_KEYS

/// A bound's value for one column.
struct RangeLimit {
  BoundValue::Kind kind = BoundValue::Kind::value;
  OrderedValue value;
};

/// Bounds row by row, one limit a column.
struct RangeLimits {
  std::vector<RangeLimit> limits;
  std::deque<std::string> bytes;  ///< The values' own; their places stay.

  /// Whether the bound at `bound` is above `row`, by the first column in which they differ.
  [[nodiscard]] bool is_above(std::size_t bound, std::span<const OrderedValue> row) const {
    const RangeLimit* limit = &limits[bound * row.size()];
    for (const OrderedValue& value : row) {
      if (limit->kind != BoundValue::Kind::value) return limit->kind == BoundValue::Kind::maximum;
      if (const auto order = limit->value <=> value; order != 0) return order > 0;
      ++limit;
    }
    return false;
  }
};

/// Absent: a value that is not of its column's type.
std::optional<RangeLimits> limits_of(const PartitionKey& key, std::span<const KeyType> types) {
  RangeLimits all;
  for (const std::vector<BoundValue>& bound : key.bounds) {
    for (std::size_t column = 0; column < types.size(); ++column) {
      RangeLimit& limit = all.limits.emplace_back();
      limit.kind = bound[column].kind;
      if (limit.kind != BoundValue::Kind::value) continue;
      const auto value = ordered_value(types[column], bound[column].text, all.bytes);
      if (!value) return std::nullopt;
      limit.value = *value;
    }
  }
  return all;
}

class RangeKernel final : public PartitionKernel {
 public:
  RangeKernel(RangeLimits limits, std::span<const KeyType> types)
      : limits_(std::move(limits)), types_(types.begin(), types.end()) {}

  void evaluate(const std::uint8_t* base, std::span<const FieldRef> fields, std::size_t rows,
                std::span<std::int64_t> keys, std::span<KeyState> states) const override {
    const std::size_t columns = types_.size();
    std::array<OrderedValue, kMostKeyColumns> values;
    for (std::size_t row = 0; row < rows; ++row) {
      states[row] =
          key_of(base, fields.subspan(row * columns, columns), {values.data(), columns}, keys[row]);
    }
  }

 private:
  KeyState key_of(const std::uint8_t* base, std::span<const FieldRef> fields,
                  std::span<OrderedValue> values, std::int64_t& key) const {
    bool has_null = false;
    for (std::size_t column = 0; column < fields.size(); ++column) {
      const FieldRef& field = fields[column];
      has_null |= field.is_null();
      if (!field.is_null() &&
          !read_ordered(types_[column], base + field.offset, field.length, values[column])) {
        return KeyState::malformed;
      }
    }
    key = has_null ? PartitionKey::kNone : bounds_not_above(values);
    return KeyState::ok;
  }

  [[nodiscard]] std::int64_t bounds_not_above(std::span<const OrderedValue> row) const {
    std::size_t from = 0;
    for (std::size_t left = limits_.limits.size() / row.size(); left > 0;) {
      const std::size_t half = left / 2;
      const bool is_above = limits_.is_above(from + half, row);
      if (!is_above) from += half + 1;
      left = is_above ? half : left - half - 1;
    }
    return static_cast<std::int64_t>(from);
  }

  RangeLimits limits_;
  std::vector<KeyType> types_;
};

/// RANGE of one column whose values are numbers, as most are.
class NumberRangeKernel final : public PartitionKernel {
 public:
  NumberRangeKernel(const RangeLimits& limits, KeyType type) : type_(type) {
    for (const RangeLimit& limit : limits.limits) {
      if (limit.kind == BoundValue::Kind::value) bounds_.push_back(limit.value.number);
      if (limit.kind == BoundValue::Kind::minimum) ++below_all_;
    }
  }

  void evaluate(const std::uint8_t* base, std::span<const FieldRef> fields, std::size_t rows,
                std::span<std::int64_t> keys, std::span<KeyState> states) const override {
    for (std::size_t row = 0; row < rows; ++row) {
      const FieldRef& field = fields[row];
      OrderedValue value;
      states[row] = KeyState::ok;
      keys[row] = PartitionKey::kNone;
      if (field.is_null()) continue;
      if (!read_ordered(type_, base + field.offset, field.length, value)) {
        states[row] = KeyState::malformed;
        continue;
      }
      keys[row] = below_all_ + (std::ranges::upper_bound(bounds_, value.number) - bounds_.begin());
    }
  }

 private:
  KeyType type_;
  std::vector<std::int64_t> bounds_;
  std::int64_t below_all_ = 0;
};

bool is_ordered_by_number(KeyType type) {
  switch (type) {
    case KeyType::int2:
    case KeyType::int4:
    case KeyType::int8:
    case KeyType::oid:
    case KeyType::boolean:
    case KeyType::date:
    case KeyType::timestamp:
    case KeyType::timestamptz:
      return true;
    default:
      return false;
  }
}

}  // namespace

std::unique_ptr<const PartitionKernel> make_range_kernel(const PartitionKey& key,
                                                         std::span<const KeyType> types) {
  if (types.empty() || types.size() > kMostKeyColumns) return nullptr;
  if (std::ranges::find(types, KeyType::other) != types.end()) return nullptr;
  auto limits = limits_of(key, types);
  if (!limits) return nullptr;
  if (types.size() == 1 && is_ordered_by_number(types.front())) {
    return std::make_unique<NumberRangeKernel>(*limits, types.front());
  }
  return std::make_unique<RangeKernel>(*std::move(limits), types);
}

}  // namespace pgfanout

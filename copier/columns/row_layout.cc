#include "copier/columns/row_layout.h"

#include <cstddef>

#include "copier/base/byte_order.h"

namespace pgfanout {
namespace {

constexpr std::size_t kWord = 4;

/// A value's bytes, taken from the front.
class Reader {
 public:
  explicit Reader(std::span<std::uint8_t> bytes) : rest_(bytes) {}

  [[nodiscard]] bool has(std::size_t bytes) const { return rest_.size() >= bytes; }
  [[nodiscard]] bool is_at_end() const { return rest_.empty(); }
  std::span<std::uint8_t> take(std::size_t bytes) {
    const auto taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }

  /// A word that must be the OID of `shape`, which is rewritten.
  bool rewrite_oid(const TypeShape& shape) {
    if (!has(kWord)) return false;
    std::uint8_t* at = take(kWord).data();
    if (load_be32(at) != shape.from_oid) return false;
    store_be32(at, shape.to_oid);
    return true;
  }

  /// A length and as many bytes, which are a value of `shape`; or NULL.
  bool rewrite_value(const TypeShape& shape) {
    constexpr std::uint32_t kNull = 0xFFFFFFFFU;
    if (!has(kWord)) return false;
    const std::uint32_t length = load_be32(take(kWord).data());
    if (length == kNull) return true;
    return has(length) && rewrite_oids(shape, take(length));
  }

  bool rewrite_values(const TypeShape& shape) {
    while (!is_at_end()) {
      if (!rewrite_value(shape)) return false;
    }
    return true;
  }

 private:
  std::span<std::uint8_t> rest_;
};

/// Dimensions, flags, the element type's OID; length and lower bound of each dimension; elements.
bool rewrite_array(const TypeShape& element, Reader value) {
  constexpr std::size_t kMostDimensions = 6;
  if (!value.has(2 * kWord)) return false;
  const std::uint32_t dimensions = load_be32(value.take(2 * kWord).data());
  if (dimensions > kMostDimensions || !value.rewrite_oid(element)) return false;
  if (!value.has(dimensions * 2 * kWord)) return false;
  value.take(dimensions * 2 * kWord);
  return value.rewrite_values(element);
}

/// The number of fields; for each its type's OID and its value.
bool rewrite_composite(const std::vector<TypeShape>& fields, Reader value) {
  if (!value.has(kWord) || load_be32(value.take(kWord).data()) != fields.size()) return false;
  for (const TypeShape& field : fields) {
    if (!value.rewrite_oid(field) || !value.rewrite_value(field)) return false;
  }
  return value.is_at_end();
}

}  // namespace

bool rewrite_oids(const TypeShape& shape, std::span<std::uint8_t> bytes) {
  Reader value(bytes);
  switch (shape.form) {
    case TypeShape::Form::plain:
      return true;
    case TypeShape::Form::array:
      return rewrite_array(shape.parts.front(), value);
    case TypeShape::Form::composite:
      return rewrite_composite(shape.parts, value);
    case TypeShape::Form::range:  // Flags, then the bounds that are there.
      if (!value.has(1)) return false;
      value.take(1);
      return value.rewrite_values(shape.parts.front());
    case TypeShape::Form::multirange:  // The number of ranges, then these.
      if (!value.has(kWord)) return false;
      value.take(kWord);
      return value.rewrite_values(shape.parts.front());
  }
  return false;
}

}  // namespace pgfanout

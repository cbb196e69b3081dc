// The integer by which PostgreSQL decides about a row's leaf where a table is partitioned by plain
// columns: HASH's remainder, the number of RANGE's slot, the place of a value in LIST. It has a
// text form, which KeyExpression::compile() takes as it does an expression of the user's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hashing/key_expression.h"
#include "pgfanout/result.h"
#include "pgfanout/row_view.h"

namespace pgfanout {

/// A value of a bound, as the server prints it.
struct BoundValue {
  enum class Kind : std::uint8_t { value, null, minimum, maximum };
  Kind kind = Kind::value;
  std::string text;  ///< Of a value: as the type's output function has it.
  friend bool operator==(const BoundValue&, const BoundValue&) = default;
};

/// The value in a bound of DDL: a literal, NULL, MINVALUE or MAXVALUE.
[[nodiscard]] std::string bound_sql(const BoundValue& value);

struct PartitionKey {
  enum class Strategy : std::uint8_t { hash, range, list };

  /// The key of a row that no range and no listed value takes. NULL has it in RANGE, and in LIST
  /// unless it is listed.
  static constexpr std::int64_t kNone = -1;

  Strategy strategy = Strategy::hash;
  std::vector<std::string> columns;  ///< As in pg_attribute.
  /// HASH: the largest of the leaves. Keys are the remainders 0 to modulus - 1.
  std::uint32_t modulus = 0;
  /// RANGE: all bounds in ascending order, each once, with a value for each column. The key is the
  /// number of bounds that are not above the row: 0 below the first one.
  /// LIST: all values, each alone. The key is the place in this list, from 0.
  std::vector<std::vector<BoundValue>> bounds;

  friend bool operator==(const PartitionKey&, const PartitionKey&) = default;
};

/// hash_partition(64, "a", "b"); range_partition("a", '1', '5') or, of several columns,
/// range_partition(("a", "b"), ('1', MINVALUE), ('5', 'x')); list_partition("a", 'eu', NULL).
[[nodiscard]] std::string text_of(const PartitionKey& key);

/// Absent if `text` does not begin like one; an error with code "key-expression" if it is no whole
/// one.
[[nodiscard]] Result<std::optional<PartitionKey>> parse_partition_key(std::string_view text);

/// SQL for the key of a row, an int8 that is never NULL. `columns` are those of the key, as SQL;
/// `types` their types as DDL has them. Functions and types are qualified.
[[nodiscard]] std::string partition_key_sql(const PartitionKey& key,
                                            std::span<const std::string> columns,
                                            std::span<const std::string> types);

/// Computes the key from the bytes of binary COPY. Immutable; thread-safe.
class PartitionKernel {
 public:
  virtual ~PartitionKernel() = default;
  /// `fields`: row by row, one for each column of the key. The state is ok, or malformed.
  virtual void evaluate(const std::uint8_t* base, std::span<const FieldRef> fields,
                        std::size_t rows, std::span<std::int64_t> keys,
                        std::span<KeyState> states) const = 0;
};

// One for each strategy, in a file of its own. Null: there is none for these types, and the server
// has to compute the key.

[[nodiscard]] std::unique_ptr<const PartitionKernel> make_hash_kernel(
    const PartitionKey& key, std::span<const KeyType> types);
[[nodiscard]] std::unique_ptr<const PartitionKernel> make_range_kernel(
    const PartitionKey& key, std::span<const KeyType> types);
[[nodiscard]] std::unique_ptr<const PartitionKernel> make_list_kernel(
    const PartitionKey& key, std::span<const KeyType> types);

}  // namespace pgfanout

// The remainder by which PostgreSQL chooses a HASH partition: the hashes of the key's columns that
// are not NULL, combined, modulo the largest modulus. Source: compute_partition_hash_value() in
// src/backend/partitioning/partbounds.c, hash_combine64(), and the extended hash functions of the
// types' default operator classes; they give the same values in PostgreSQL 14 to 18, whatever their
// names. For deterministic collations and little-endian servers, as hashing/pg_hash.h.
//
// An enum's hash is that of its value's OID, which COPY does not carry: the server computes it.
#include <algorithm>

#include "copier/base/byte_order.h"
#include "hashing/partition_key.h"
#include "hashing/pg_hash.h"

namespace pgfanout {
namespace {

/// HASH_PARTITION_SEED.
constexpr std::uint64_t kHashSeed = 0x7A5B22367996DCFD;

/// hash_combine64().
std::uint64_t combine(std::uint64_t sum, std::uint64_t hash) {
  return sum ^ (hash + 0x49a0f4dd15e5a8e3 + (sum << 54) + (sum >> 7));
}

// The hash of one value; false: it is malformed.

/// Of integers and what the server holds as one: it hashes int2 and int4 as an int8 of that value,
/// and an oid by its bits.
template <class Integer>
bool hash_integer(ByteView value, std::uint64_t& hash) {
  if (value.size() != sizeof(Integer)) return false;
  std::uint64_t bits = 0;
  for (const std::uint8_t byte : value) bits = bits << 8 | byte;
  const auto number = static_cast<std::int64_t>(static_cast<Integer>(bits));
  hash = static_cast<std::uint64_t>(hashint8extended(number, static_cast<std::int64_t>(kHashSeed)));
  return true;
}

bool hash_bytes_of(ByteView value, std::uint64_t& hash) {
  hash = hash_bytes_extended(value, kHashSeed);
  return true;
}

bool hash_uuid(ByteView value, std::uint64_t& hash) {
  return value.size() == 16 && hash_bytes_of(value, hash);
}

bool hash_bpchar(ByteView value, std::uint64_t& hash) {
  return hash_bytes_of(value.first(as_text(value).find_last_not_of(' ') + 1), hash);
}

/// The value without its sign and scale: 1 and -1.00 have one hash. COPY has the number of digits
/// (of 10,000 each), the weight of the first one, the sign, the scale, and the digits: 16 bits
/// each.
bool hash_numeric(ByteView value, std::uint64_t& hash) {
  constexpr std::size_t head_bytes = 8;
  constexpr std::uint16_t special = 0xC000;
  if (value.size() < head_bytes || value.size() != head_bytes + 2U * load_be16(value.data())) {
    return false;
  }
  // NaN and the infinities.
  hash = kHashSeed;
  if ((load_be16(value.data() + 4) & special) == special) return true;
  std::int64_t weight = static_cast<std::int16_t>(load_be16(value.data() + 2));
  ByteView digits = value.subspan(head_bytes);
  for (; !digits.empty() && load_be16(digits.data()) == 0; --weight) digits = digits.subspan(2);
  if (digits.empty()) {
    hash = kHashSeed - 1;
    return true;
  }
  while (load_be16(&digits.back() - 1) == 0) digits = digits.first(digits.size() - 2);
  hash = hash_words_extended(digits, kHashSeed) ^ static_cast<std::uint64_t>(weight);
  return true;
}

/// One column of a batch. `fields`: of the first row; those of the next one stand `stride` further.
using AddColumn = void (*)(const std::uint8_t* base, const FieldRef* fields, std::size_t stride,
                           std::span<std::int64_t> sums, std::span<KeyState> states);

template <bool hash_of(ByteView, std::uint64_t&)>
void add_column(const std::uint8_t* base, const FieldRef* fields, std::size_t stride,
                std::span<std::int64_t> sums, std::span<KeyState> states) {
  for (std::size_t row = 0; row < sums.size(); ++row) {
    const FieldRef field = fields[row * stride];
    if (field.length == -1) continue;
    std::uint64_t hash = 0;
    if (field.length < 0 ||
        !hash_of({base + field.offset, static_cast<std::size_t>(field.length)}, hash)) {
      states[row] = KeyState::malformed;
      continue;
    }
    sums[row] = static_cast<std::int64_t>(combine(static_cast<std::uint64_t>(sums[row]), hash));
  }
}

/// Null: of types whose hash is not known here.
AddColumn add_column_of(KeyType type) {
  switch (type) {
    case KeyType::boolean:
      return add_column<hash_integer<std::int8_t>>;
    case KeyType::int2:
      return add_column<hash_integer<std::int16_t>>;
    case KeyType::int4:
    case KeyType::oid:
    case KeyType::date:
      return add_column<hash_integer<std::int32_t>>;
    case KeyType::int8:
    case KeyType::timestamp:
    case KeyType::timestamptz:
      return add_column<hash_integer<std::int64_t>>;
    case KeyType::text:
    case KeyType::varchar:
    case KeyType::bytea:
    case KeyType::name:
      return add_column<hash_bytes_of>;
    case KeyType::bpchar:
      return add_column<hash_bpchar>;
    case KeyType::uuid:
      return add_column<hash_uuid>;
    case KeyType::numeric:
      return add_column<hash_numeric>;
    case KeyType::other:
      return nullptr;
  }
  return nullptr;
}

class HashKernel final : public PartitionKernel {
 public:
  HashKernel(std::uint32_t modulus, std::vector<AddColumn> columns)
      : modulus_(modulus), columns_(std::move(columns)) {}

  void evaluate(const std::uint8_t* base, std::span<const FieldRef> fields, std::size_t rows,
                std::span<std::int64_t> keys, std::span<KeyState> states) const override {
    if (rows == 0) return;
    const std::span<std::int64_t> sums = keys.first(rows);
    std::ranges::fill(sums, 0);
    std::ranges::fill(states.first(rows), KeyState::ok);
    for (std::size_t column = 0; column < columns_.size(); ++column) {
      columns_[column](base, fields.data() + column, columns_.size(), sums, states);
    }
    for (std::int64_t& sum : sums) {
      sum = static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) % modulus_);
    }
  }

 private:
  std::uint32_t modulus_;
  std::vector<AddColumn> columns_;
};

}  // namespace

std::unique_ptr<const PartitionKernel> make_hash_kernel(const PartitionKey& key,
                                                        std::span<const KeyType> types) {
  std::vector<AddColumn> columns;
  for (const KeyType type : types) {
    columns.push_back(add_column_of(type));
    if (columns.back() == nullptr) return nullptr;
  }
  return std::make_unique<const HashKernel>(key.modulus, std::move(columns));
}

}  // namespace pgfanout

// Rows of a partition key's columns: what the kernel of HASH says about them is put to a server.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "copier/base/byte_order.h"
#include "copier/base/lists.h"
#include "copier/key/key_probe.h"
#include "copier/wire/encoder.h"
#include "hashing/partition_key.h"
#include "tests/harness/test_server.h"

namespace pgfanout {

/// Every type that has a kernel.
inline constexpr KeyType kHashedTypes[] = {
    KeyType::int2,   KeyType::int4, KeyType::int8,      KeyType::text,        KeyType::varchar,
    KeyType::bpchar, KeyType::uuid, KeyType::name,      KeyType::bytea,       KeyType::boolean,
    KeyType::oid,    KeyType::date, KeyType::timestamp, KeyType::timestamptz, KeyType::numeric};

/// The kernel's remainders of `rows`, each of which has a value for every one of `types`.
inline std::vector<std::int64_t> remainders_of(const std::vector<KeyType>& types,
                                               std::uint32_t modulus,
                                               const std::vector<ProbeRow>& rows) {
  PartitionKey key;
  key.modulus = modulus;
  for (std::size_t at = 0; at < types.size(); ++at) key.columns.push_back(fmt::format("c{}", at));
  const auto kernel = make_hash_kernel(key, types);
  std::vector<std::uint8_t> bytes;
  std::vector<FieldRef> fields;
  for (const ProbeRow& row : rows) {
    for (const ProbeValue& value : row) {
      fields.push_back({static_cast<std::uint32_t>(bytes.size()),
                        value ? static_cast<std::int32_t>(value->size()) : -1});
      append(bytes, value.value_or(""));
    }
  }
  std::vector<std::int64_t> keys(rows.size());
  std::vector<KeyState> states(rows.size());
  kernel->evaluate(bytes.data(), fields, rows.size(), keys, states);
  for (const KeyState state : states) EXPECT_EQ(state, KeyState::ok);
  return keys;
}

/// Asks satisfies_hash_partition(), which alone decides what PostgreSQL puts into a leaf.
class PartitionOracle {
 public:
  explicit PartitionOracle(harness::Session session) : session_(std::move(session)) {}

  /// Compares all rows; each has one remainder, so that "yes" is the whole answer. `with_sql`: the
  /// server's SQL for the key has to give it too.
  void expect_same(const std::vector<KeyType>& types, std::uint32_t modulus,
                   const std::vector<ProbeRow>& rows, bool with_sql = false) {
    const std::vector<std::int64_t> remainders = remainders_of(types, modulus, rows);
    // Names that SQL for the key might use itself.
    const auto name_of = [](std::size_t at) { return std::string("hasrkm").substr(at, 1); };
    const std::string names = joined(types.size(), ", ", name_of);
    session_.execute(fmt::format(
        "DROP TABLE IF EXISTS leaves, answers; CREATE TABLE leaves ({0}) PARTITION BY HASH ({1});"
        "CREATE TABLE answers (remainder int8, LIKE leaves)",
        joined(types.size(), ", ",
               [&](std::size_t at) {
                 return fmt::format("{} {}", name_of(at), probe_type_sql(types[at]));
               }),
        names));
    std::string data(as_text(copy_header()));
    for (std::size_t row = 0; row < rows.size(); ++row) {
      append_word(data, types.size() + 1, 2);
      append_field(data, word(static_cast<std::uint64_t>(remainders[row]), 8));
      for (const ProbeValue& value : rows[row]) append_field(data, value);
    }
    session_.copy_in("COPY answers FROM STDIN (FORMAT binary)",
                     data + std::string(as_text(copy_trailer())));
    const std::string sql = fmt::format(
        "SELECT answers::text FROM answers WHERE NOT satisfies_hash_partition('leaves'::regclass,"
        " {}, remainder::int4, {})",
        modulus, names);
    PartitionKey key;
    key.modulus = modulus;
    std::vector<std::string> columns;
    std::vector<std::string> type_names;
    for (std::size_t at = 0; at < types.size(); ++at) {
      columns.push_back(name_of(at));
      type_names.emplace_back(probe_type_sql(types[at]));
    }
    const harness::TextRows wrong =
        session_.rows(with_sql ? fmt::format("{} OR {} <> remainder", sql,
                                             partition_key_sql(key, columns, type_names))
                               : sql);
    for (const harness::TextRow& row : wrong) {
      ADD_FAILURE() << "modulus " << modulus << ": the kernel is wrong about " << *row[0];
    }
    EXPECT_EQ(session_.value("SELECT count(*) FROM answers"), std::to_string(rows.size()));
    compared_ += rows.size();
  }

  [[nodiscard]] std::size_t compared() const { return compared_; }
  [[nodiscard]] harness::Session& session() { return session_; }

 private:
  static std::string word(std::uint64_t value, std::size_t bytes) {
    std::string text;
    for (std::size_t at = bytes; at > 0; --at) text += static_cast<char>(value >> 8 * (at - 1));
    return text;
  }
  static void append_word(std::string& data, std::uint64_t value, std::size_t bytes) {
    data += word(value, bytes);
  }
  static void append_field(std::string& data, const ProbeValue& value) {
    append_word(data, value ? value->size() : UINT32_MAX, 4);
    data += value.value_or("");
  }

  harness::Session session_;
  std::size_t compared_ = 0;
};

inline std::vector<ProbeRow> random_rows(const std::vector<KeyType>& types, std::size_t count,
                                         std::mt19937_64& random) {
  std::vector<ProbeRow> rows(count);
  for (ProbeRow& row : rows) {
    for (const KeyType type : types) row.push_back(random_value(type, random));
  }
  return rows;
}

}  // namespace pgfanout

// Values to try a key expression with: those that have fooled hash and arithmetic code before, and
// random ones. Pure.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "hashing/key_expression.h"

namespace pgfanout {

/// A column's value as binary COPY carries it; nullopt is NULL.
using ProbeValue = std::optional<std::string>;
/// One value for each column that a key expression uses.
using ProbeRow = std::vector<ProbeValue>;

/// NULL, extremes, every length from 0 to 40, text whose hash is the smallest integer, and
/// characters of several bytes where `encoding` has them.
[[nodiscard]] std::vector<ProbeValue> adversarial_values(KeyType type, std::string_view encoding);

[[nodiscard]] ProbeValue random_value(KeyType type, std::mt19937_64& random);

/// Every adversarial value of every column at least once, the other columns drawn from theirs.
[[nodiscard]] std::vector<ProbeRow> adversarial_rows(const std::vector<KeyType>& types,
                                                     std::string_view encoding,
                                                     std::mt19937_64& random);

/// "uuid": the type without length, so that a literal is never cut.
[[nodiscard]] std::string_view probe_type_sql(KeyType type);
/// The value as its type's input function reads it.
[[nodiscard]] std::string probe_text(KeyType type, const std::string& value);

/// The value as an SQL literal of its type, in ASCII: the value's bytes are the server's, whatever
/// the statement around it is written in.
[[nodiscard]] std::string probe_literal(KeyType type, const ProbeValue& value);

}  // namespace pgfanout

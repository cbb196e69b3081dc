#include "copier/key/key_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "copier/base/byte_order.h"

namespace pgfanout {
namespace {

constexpr std::size_t kLongestText = 40;

/// hashtext() of each is -2147483648, whose absolute value is no integer.
constexpr std::array<std::string_view, 4> kSmallestHashes = {"c1606105947x", "c6920574805x",
                                                             "l7ba1ah7", "fgcaxj4b"};

constexpr std::array<std::string_view, 6> kAwkwardTexts = {
    "a ", " a", "it's", "back\\slash", "tab\tand\nline", "\"quoted\""};

constexpr std::array<std::string_view, 4> kUtf8Texts = {
    "\xc3\xa9", "\xe6\xbc\xa2\xe5\xad\x97", "\xf0\x9f\x98\x80",
    "na\xc3\xafve caf\xc3\xa9 \xe2\x82\xac\x31\x32"};

constexpr std::array<std::string_view, 3> kSingleByteTexts = {"\xe9", "caf\xe9", "\xff\xfe\xe0"};

template <class Integer>
std::string integer_bytes(Integer value) {
  std::string bytes(sizeof value, '\0');
  auto* at = reinterpret_cast<std::uint8_t*>(bytes.data());
  if constexpr (sizeof value == 2) store_be16(at, static_cast<std::uint16_t>(value));
  if constexpr (sizeof value == 4) store_be32(at, static_cast<std::uint32_t>(value));
  if constexpr (sizeof value == 8) store_be64(at, static_cast<std::uint64_t>(value));
  return bytes;
}

template <class Integer>
void add_integers(std::vector<ProbeValue>& values) {
  using Limits = std::numeric_limits<Integer>;
  for (const Integer value :
       {Integer{0}, Integer{1}, Integer{-1}, Integer{7}, Integer{99}, Integer{100}, Integer{-100},
        Limits::min(), static_cast<Integer>(Limits::min() + 1), Limits::max(),
        static_cast<Integer>(Limits::max() - 1), static_cast<Integer>(Limits::max() / 2)}) {
    values.push_back(integer_bytes(value));
  }
  // Where a wider integer leaves the range of the narrower ones.
  if constexpr (sizeof(Integer) == 8) {
    for (const std::int64_t value :
         {2147483647LL, 2147483648LL, -2147483648LL, -2147483649LL, 4294967295LL, 4294967296LL}) {
      values.push_back(integer_bytes(static_cast<Integer>(value)));
    }
  }
}

/// Every length, with bytes that differ, so that each of a hash's words is partly filled once.
void add_lengths(std::vector<ProbeValue>& values) {
  for (std::size_t length = 0; length <= kLongestText; ++length) {
    std::string text;
    for (std::size_t at = 0; at < length; ++at) {
      text += static_cast<char>('a' + (at * 7 + length) % 26);
    }
    values.emplace_back(std::move(text));
  }
}

template <class List>
void add_texts(std::vector<ProbeValue>& values, const List& list) {
  for (const auto& text : list) values.emplace_back(std::string(text));
}

void add_texts_of(std::string_view encoding, std::vector<ProbeValue>& values) {
  add_lengths(values);
  add_texts(values, kSmallestHashes);
  add_texts(values, kAwkwardTexts);
  const bool takes_any_byte = encoding == "SQL_ASCII" || encoding.starts_with("LATIN1");
  if (encoding == "UTF8" || encoding == "SQL_ASCII") add_texts(values, kUtf8Texts);
  if (takes_any_byte) add_texts(values, kSingleByteTexts);
}

// Of date and timestamps, from 2000-01-01 on.
constexpr std::int64_t kDayMicroseconds = 86'400'000'000;
constexpr std::int32_t kFirstDay = -2'451'545;    // 4714-11-24 BC
constexpr std::int32_t kLastDay = 2'145'031'948;  // 5874897-12-31
constexpr std::int64_t kFirstMicrosecond = kDayMicroseconds * kFirstDay;
constexpr std::int64_t kLastMicrosecond = 9'223'371'331'199'999'999;  // 294276-12-31

/// The smallest and the largest one are -infinity and infinity.
template <class Integer>
void add_times(std::vector<ProbeValue>& values, Integer first, Integer last) {
  using Limits = std::numeric_limits<Integer>;
  const Integer day = sizeof(Integer) == 4 ? Integer{1} : static_cast<Integer>(kDayMicroseconds);
  for (const Integer value :
       {Integer{0}, Integer{1}, Integer{-1}, Limits::min(), Limits::max(), first,
        static_cast<Integer>(first + 1), last, static_cast<Integer>(last - 1),
        // The leap day of 2000, the last one of 1999, 0001-01-01 and the day before.
        static_cast<Integer>(59 * day), static_cast<Integer>(-day),
        static_cast<Integer>(-730'119 * day), static_cast<Integer>(-730'120 * day)}) {
    values.push_back(integer_bytes(value));
  }
}

constexpr std::uint16_t kNegative = 0x4000;
constexpr std::uint16_t kNaN = 0xC000;
constexpr std::uint16_t kInfinity = 0xD000;
constexpr std::uint16_t kMinusInfinity = 0xF000;

/// `weight` is that of the first digit, as a power of 10,000; `scale`: decimal digits behind the
/// point.
std::string numeric_bytes(std::int64_t weight, std::uint32_t sign, std::uint64_t scale,
                          const std::vector<std::uint16_t>& digits) {
  std::string bytes;
  for (const std::uint64_t word : {std::uint64_t{digits.size()}, static_cast<std::uint64_t>(weight),
                                   std::uint64_t{sign}, scale}) {
    bytes += integer_bytes(static_cast<std::int16_t>(word));
  }
  for (const std::uint16_t digit : digits) bytes += integer_bytes(static_cast<std::int16_t>(digit));
  return bytes;
}

/// Zeros of two scales, equal values that look different, digits at the ends of what a word has.
std::vector<std::string> awkward_numerics() {
  std::vector<std::string> values = {numeric_bytes(0, kNaN, 0, {}),
                                     numeric_bytes(0, kInfinity, 0, {}),
                                     numeric_bytes(0, kMinusInfinity, 0, {}),
                                     numeric_bytes(0, 0, 0, {}),
                                     numeric_bytes(0, 0, 10, {}),
                                     numeric_bytes(1, 0, 0, {1}),
                                     numeric_bytes(1, 0, 0, {1, 1}),
                                     numeric_bytes(-1, 0, 4, {1}),
                                     numeric_bytes(-2, 0, 20, {9999, 9999}),
                                     numeric_bytes(250, 0, 0, {1}),
                                     numeric_bytes(-250, 0, 1000, {1}),
                                     numeric_bytes(0, 0, 1, {1, 5000}),
                                     numeric_bytes(4, 0, 0, {922, 3372, 368, 5477, 5808})};
  for (const std::uint32_t sign : {0U, std::uint32_t{kNegative}}) {
    for (const std::uint64_t scale : {0U, 2U}) {
      values.push_back(numeric_bytes(0, sign, scale, {1}));
      values.push_back(numeric_bytes(0, sign, scale, {9999}));
    }
  }
  return values;
}

std::string random_numeric(std::mt19937_64& random) {
  const auto weight = static_cast<std::int64_t>(random() % 10) - 5;
  std::vector<std::uint16_t> digits(random() % 8);
  for (std::uint16_t& digit : digits) digit = static_cast<std::uint16_t>(random() % 10'000);
  // A server strips these, and gives zero the weight 0.
  while (!digits.empty() && digits.back() == 0) digits.pop_back();
  if (digits.empty()) return numeric_bytes(0, 0, random() % 5, {});
  if (digits.front() == 0) digits.front() = 1;
  const std::int64_t behind_point = static_cast<std::int64_t>(digits.size()) - 1 - weight;
  const auto scale = static_cast<std::uint64_t>(std::max<std::int64_t>(4 * behind_point, 0));
  return numeric_bytes(weight, random() % 2 == 0 ? 0 : kNegative, scale + random() % 3, digits);
}

std::int64_t random_between(std::int64_t first, std::int64_t last, std::mt19937_64& random) {
  return std::uniform_int_distribution<std::int64_t>(first, last)(random);
}

// Texts of values, as the types' input functions read them.

/// The calendar's date `day` days behind 2000-01-01; any day that the server has.
std::string date_text(std::int64_t day) {
  // Years begin in March, so that the leap day is the last; eras have 400 of them.
  constexpr std::int64_t kEraDays = 146'097;
  constexpr std::int64_t kFromYearZero = 730'425;  // 0000-03-01 to 2000-01-01
  const std::int64_t all = day + kFromYearZero;
  const std::int64_t era = (all >= 0 ? all : all - (kEraDays - 1)) / kEraDays;
  const std::int64_t in_era = all - era * kEraDays;
  const std::int64_t year_of_era =
      (in_era - in_era / 1460 + in_era / 36'524 - in_era / (kEraDays - 1)) / 365;
  const std::int64_t in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t from_march = (5 * in_year + 2) / 153;
  const std::int64_t month = from_march < 10 ? from_march + 3 : from_march - 9;
  const std::int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  return fmt::format("{:04}-{:02}-{:02}", year > 0 ? year : 1 - year, month,
                     in_year - (153 * from_march + 2) / 5 + 1) +
         (year > 0 ? "" : " BC");
}

std::string timestamp_text(std::int64_t microseconds, std::string_view zone) {
  std::int64_t day = microseconds / kDayMicroseconds;
  std::int64_t rest = microseconds % kDayMicroseconds;
  if (rest < 0) {
    --day;
    rest += kDayMicroseconds;
  }
  std::string text = date_text(day);
  const std::int64_t seconds = rest / 1'000'000;
  text.insert(std::min(text.size(), text.find(' ')),
              fmt::format(" {:02}:{:02}:{:02}.{:06}{}", seconds / 3600, seconds / 60 % 60,
                          seconds % 60, rest % 1'000'000, zone));
  return text;
}

/// Of a number of 32 or 64 bits whose extremes are the infinities.
template <class Integer, class Text>
std::string time_text(Integer value, Text text_of) {
  if (value == std::numeric_limits<Integer>::min()) return "-infinity";
  if (value == std::numeric_limits<Integer>::max()) return "infinity";
  return text_of(value);
}

std::string numeric_text(const std::uint8_t* bytes) {
  const std::int32_t count = load_be16(bytes);
  const std::int32_t weight = static_cast<std::int16_t>(load_be16(bytes + 2));
  const std::uint16_t sign = load_be16(bytes + 4);
  if (sign == kNaN) return "NaN";
  if (sign == kInfinity) return "Infinity";
  if (sign == kMinusInfinity) return "-Infinity";
  const auto digits_of = [&](std::int32_t power) {
    const std::int32_t at = weight - power;
    return fmt::format("{:04}", at >= 0 && at < count ? load_be16(bytes + 8 + 2 * at) : 0);
  };
  std::string text = sign == kNegative ? "-0" : "0";
  for (std::int32_t power = weight; power >= 0; --power) text += digits_of(power);
  std::string behind_point;
  const std::size_t scale = load_be16(bytes + 6);
  for (std::int32_t power = -1; behind_point.size() < scale; --power) {
    behind_point += digits_of(power);
  }
  return scale == 0 ? text : text + '.' + behind_point.substr(0, scale);
}

std::string random_bytes(std::size_t length, std::mt19937_64& random) {
  std::string bytes;
  for (std::size_t at = 0; at < length; ++at) bytes += static_cast<char>(random() & 0xffU);
  return bytes;
}

std::string random_text(std::mt19937_64& random) {
  std::string text;
  const std::size_t length = random() % kLongestText;
  // Printable ASCII: valid in every encoding of a server.
  for (std::size_t at = 0; at < length; ++at) text += static_cast<char>(' ' + random() % 95);
  return text;
}

}  // namespace

std::vector<ProbeValue> adversarial_values(KeyType type, std::string_view encoding) {
  std::vector<ProbeValue> values = {std::nullopt};
  switch (type) {
    case KeyType::int2:
      add_integers<std::int16_t>(values);
      break;
    case KeyType::int4:
      add_integers<std::int32_t>(values);
      break;
    case KeyType::int8:
      add_integers<std::int64_t>(values);
      break;
    case KeyType::text:
    case KeyType::varchar:
    case KeyType::bpchar:
      add_texts_of(encoding, values);
      break;
    case KeyType::uuid:
      add_texts(values, std::vector{std::string(16, '\0'), std::string(16, '\xff'),
                                    std::string("\x00\x11\x22\x33\x44\x55\x66\x77"
                                                "\x88\x99\xaa\xbb\xcc\xdd\xee\xff",
                                                16)});
      break;
    case KeyType::bytea:
      add_lengths(values);
      add_texts(values, kSmallestHashes);
      add_texts(values, std::vector{std::string(12, '\0'), std::string(13, '\xff')});
      break;
    case KeyType::boolean:
      values.emplace_back(std::string(1, '\0'));
      values.emplace_back(std::string(1, '\1'));
      break;
    case KeyType::name:
      add_texts_of(encoding, values);
      values.emplace_back(std::string(63, 'n'));
      break;
    case KeyType::oid:
      add_integers<std::int32_t>(values);
      break;
    case KeyType::date:
      add_times(values, kFirstDay, kLastDay);
      break;
    case KeyType::timestamp:
    case KeyType::timestamptz:
      add_times(values, kFirstMicrosecond, kLastMicrosecond);
      break;
    case KeyType::numeric:
      add_texts(values, awkward_numerics());
      break;
    case KeyType::other:
      break;
  }
  return values;
}

ProbeValue random_value(KeyType type, std::mt19937_64& random) {
  if (random() % 50 == 0) return std::nullopt;
  switch (type) {
    case KeyType::int2:
      return random_bytes(2, random);
    case KeyType::int4:
    case KeyType::oid:
      return random_bytes(4, random);
    case KeyType::int8:
      return random_bytes(8, random);
    case KeyType::uuid:
      return random_bytes(16, random);
    case KeyType::bytea:
      return random_bytes(random() % kLongestText, random);
    case KeyType::boolean:
      return std::string(1, static_cast<char>(random() & 1U));
    case KeyType::text:
    case KeyType::varchar:
    case KeyType::bpchar:
    case KeyType::name:
      return random_text(random);
    case KeyType::date:
      return integer_bytes(static_cast<std::int32_t>(random_between(kFirstDay, kLastDay, random)));
    case KeyType::timestamp:
    case KeyType::timestamptz:
      return integer_bytes(random_between(kFirstMicrosecond, kLastMicrosecond, random));
    case KeyType::numeric:
      return random_numeric(random);
    case KeyType::other:
      break;
  }
  return std::nullopt;
}

std::vector<ProbeRow> adversarial_rows(const std::vector<KeyType>& types, std::string_view encoding,
                                       std::mt19937_64& random) {
  std::vector<std::vector<ProbeValue>> values;
  for (const KeyType type : types) values.push_back(adversarial_values(type, encoding));
  std::vector<ProbeRow> rows;
  for (std::size_t column = 0; column < types.size(); ++column) {
    for (const ProbeValue& value : values[column]) {
      ProbeRow row;
      for (const auto& others : values) row.push_back(others[random() % others.size()]);
      row[column] = value;
      rows.push_back(std::move(row));
    }
  }
  if (types.empty()) rows.emplace_back();
  return rows;
}

std::string_view probe_type_sql(KeyType type) {
  constexpr std::array<std::string_view, 16> kNames = {
      "int2", "int4", "int8", "text", "varchar", "bpchar",    "uuid",        "bytea",
      "bool", "text", "name", "oid",  "date",    "timestamp", "timestamptz", "numeric"};
  return kNames[static_cast<std::size_t>(type)];
}

std::string probe_text(KeyType type, const std::string& value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(value.data());
  switch (type) {
    case KeyType::int2:
      return std::to_string(static_cast<std::int16_t>(load_be16(bytes)));
    case KeyType::int4:
      return std::to_string(static_cast<std::int32_t>(load_be32(bytes)));
    case KeyType::int8:
      return std::to_string(static_cast<std::int64_t>(load_be64(bytes)));
    case KeyType::boolean:
      return value[0] == '\0' ? "f" : "t";
    case KeyType::uuid:
    case KeyType::bytea: {
      std::string hex = type == KeyType::bytea ? "\\x" : "";
      for (std::size_t at = 0; at < value.size(); ++at) hex += fmt::format("{:02x}", bytes[at]);
      return hex;
    }
    case KeyType::oid:
      return std::to_string(load_be32(bytes));
    case KeyType::date:
      return time_text(static_cast<std::int32_t>(load_be32(bytes)), date_text);
    case KeyType::timestamp:
    case KeyType::timestamptz:
      return time_text(static_cast<std::int64_t>(load_be64(bytes)), [&](std::int64_t time) {
        return timestamp_text(time, type == KeyType::timestamptz ? "+00" : "");
      });
    case KeyType::numeric:
      return numeric_text(bytes);
    default:
      return value;
  }
}

std::string probe_literal(KeyType type, const ProbeValue& value) {
  std::string literal = "NULL";
  if (value) {
    literal = "E'";
    for (const char byte : probe_text(type, *value)) {
      const auto code = static_cast<unsigned char>(byte);
      if (byte == '\'' || byte == '\\') literal += byte;
      literal += code < 0x80U ? std::string(1, byte) : fmt::format("\\x{:02x}", code);
    }
    literal += '\'';
  }
  return fmt::format("{}::{}", literal, probe_type_sql(type));
}

}  // namespace pgfanout

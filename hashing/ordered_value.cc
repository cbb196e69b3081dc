#include "hashing/ordered_value.h"

#include <array>
#include <charconv>
#include <limits>

#include "copier/base/byte_order.h"
#include "hashing/key_forms.h"

namespace pgfanout {
namespace {

// --- binary numeric: count of digits, weight, sign and scale, two bytes each; digits of 10,000.

constexpr std::size_t kNumericHead = 8;
constexpr std::size_t kDigitBytes = 2;
constexpr std::size_t kDecimals = 4;  // of a digit

enum NumericSign : std::uint16_t {
  kPositive = 0,
  kNegative = 0x4000,
  kNaN = 0xC000,
  kInfinity = 0xD000,
  kMinusInfinity = 0xF000,
};

/// Above the order of every number, and by itself that of the smallest magnitude.
constexpr std::int64_t kBeyond = 1 << 20;
constexpr std::int64_t kUnits = 1 << 16;

bool read_numeric(std::string_view field, OrderedValue& value) {
  if (field.size() < kNumericHead) return false;
  const auto* head = reinterpret_cast<const std::uint8_t*>(field.data());
  std::string_view digits = field.substr(kNumericHead);
  if (digits.size() != load_be16(head) * kDigitBytes) return false;
  std::int64_t weight = static_cast<std::int16_t>(load_be16(head + 2));
  const std::string_view zero("\0", kDigitBytes);
  for (; digits.starts_with(zero); --weight) digits.remove_prefix(kDigitBytes);
  while (digits.ends_with(zero)) digits.remove_suffix(kDigitBytes);
  switch (load_be16(head + 4)) {
    case kPositive:
      value = {digits.empty() ? 0 : kUnits + weight, digits};
      return true;
    case kNegative:
      value = {digits.empty() ? 0 : -kUnits - weight, digits};
      return true;
    case kMinusInfinity:
      value = {-kBeyond, {}};
      return true;
    case kInfinity:
      value = {kBeyond, {}};
      return true;
    case kNaN:
      value = {kBeyond + 1, {}};
      return true;
    default:
      return false;
  }
}

void add_be16(std::string& bytes, std::uint32_t number) {
  bytes += static_cast<char>(number >> 8 & 0xFFU);
  bytes += static_cast<char>(number & 0xFFU);
}

std::string numeric_bytes(std::string_view digits, std::int64_t weight, NumericSign sign,
                          std::size_t scale) {
  std::string bytes;
  add_be16(bytes, static_cast<std::uint32_t>(digits.size() / kDecimals));
  add_be16(bytes, static_cast<std::uint32_t>(weight));
  add_be16(bytes, sign);
  add_be16(bytes, static_cast<std::uint32_t>(scale));
  for (; !digits.empty(); digits.remove_prefix(kDecimals)) {
    std::uint32_t digit = 0;
    std::from_chars(digits.data(), digits.data() + kDecimals, digit);
    add_be16(bytes, digit);
  }
  return bytes;
}

bool is_decimal(std::string_view text) {
  return text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "-12.50": the server prints no exponents.
std::optional<std::string> numeric_form(std::string_view text) {
  if (text == "NaN") return numeric_bytes("", 0, kNaN, 0);
  if (text == "Infinity") return numeric_bytes("", 0, kInfinity, 0);
  if (text == "-Infinity") return numeric_bytes("", 0, kMinusInfinity, 0);
  const bool is_negative = text.starts_with('-');
  if (is_negative) text.remove_prefix(1);
  const std::size_t point = std::min(text.find('.'), text.size());
  std::string whole(text.substr(0, point));
  std::string part(text.substr(std::min(point + 1, text.size())));
  if (whole.empty() || !is_decimal(whole) || !is_decimal(part)) return std::nullopt;
  const std::size_t scale = part.size();
  whole.insert(0, (kDecimals - whole.size() % kDecimals) % kDecimals, '0');
  part.append((kDecimals - part.size() % kDecimals) % kDecimals, '0');
  const auto weight = static_cast<std::int64_t>(whole.size() / kDecimals) - 1;
  return numeric_bytes(whole + part, weight, is_negative ? kNegative : kPositive, scale);
}

// --- dates and times: days and microseconds from 2000-01-01 on

constexpr std::int64_t kMicrosecondsOfDay = 86'400'000'000;

/// Takes the parts of "0044-03-15 01:02:03.5+05:30:15 BC" from the front.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : rest_(text) {}

  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  bool take_number(std::int64_t& number) {
    const std::size_t count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + count, number);
    rest_.remove_prefix(count);
    return count > 0 && error == std::errc();
  }

  /// Days since 2000-01-01 in the calendar without gaps that the server uses.
  bool take_date(std::int64_t& days) {
    std::int64_t year = 0;
    std::int64_t month = 0;
    std::int64_t day = 0;
    if (!take_number(year) || !take("-") || !take_number(month) || !take("-") ||
        !take_number(day) || month < 1 || month > 12 || day < 1 || day > 31 || year > 9'999'999) {
      return false;
    }
    if (rest_.ends_with(" BC")) {
      year = 1 - year;
      rest_.remove_suffix(3);
    }
    // Years begin with March, so that the leap day is their last one; 400 years are a whole number
    // of days.
    constexpr std::int64_t kEra = 146'097;
    year += month > 2 ? 0 : -1;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t in_era = year - era * 400;
    const std::int64_t in_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    constexpr std::int64_t kFrom0To2000 = 730'425;
    days = era * kEra + in_era * 365 + in_era / 4 - in_era / 100 + in_year - kFrom0To2000;
    return true;
  }

  /// "01:02:03.000001": microseconds.
  bool take_time(std::int64_t& time) {
    std::int64_t seconds = 0;
    if (!take_clock(seconds)) return false;
    time = seconds * 1'000'000;
    if (!take(".")) return true;
    std::string fraction(rest_.substr(0, rest_.find_first_not_of("0123456789")));
    rest_.remove_prefix(fraction.size());
    fraction.resize(6, '0');
    std::int64_t microseconds = 0;
    std::from_chars(fraction.data(), fraction.data() + fraction.size(), microseconds);
    time += microseconds;
    return true;
  }

  /// "+05:30:15" or "-08": seconds to the east.
  bool take_offset(std::int64_t& offset) {
    const bool is_west = rest_.starts_with('-');
    if (!take("+") && !take("-")) return false;
    if (!take_clock(offset)) return false;
    if (is_west) offset = -offset;
    return true;
  }

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  /// "05:30:15", "05:30" or "05".
  bool take_clock(std::int64_t& seconds) {
    std::int64_t unit = 3600;
    do {
      std::int64_t number = 0;
      if (!take_number(number) || number >= 60) return false;
      seconds += number * unit;
      unit /= 60;
    } while (unit > 0 && take(":"));
    return true;
  }

  std::string_view rest_;
};

std::optional<std::int64_t> date_of(std::string_view text) {
  TimeReader reader(text);
  std::int64_t days = 0;
  if (!reader.take_date(days) || !reader.at_end()) return std::nullopt;
  return days;
}

std::optional<std::int64_t> timestamp_of(std::string_view text, bool has_zone) {
  TimeReader reader(text);
  std::int64_t days = 0;
  std::int64_t time = 0;
  std::int64_t offset = 0;
  if (!reader.take_date(days) || !reader.take(" ") || !reader.take_time(time)) return std::nullopt;
  if (has_zone && !reader.take_offset(offset)) return std::nullopt;
  if (!reader.at_end()) return std::nullopt;
  std::int64_t result = 0;
  if (__builtin_mul_overflow(days, kMicrosecondsOfDay, &result) ||
      __builtin_add_overflow(result, time - offset * 1'000'000, &result)) {
    return std::nullopt;
  }
  return result;
}

// --- all types

template <class Integer>
std::optional<std::string> big_endian(std::int64_t number) {
  if (number < std::int64_t{std::numeric_limits<Integer>::min()} ||
      number > std::int64_t{std::numeric_limits<Integer>::max()}) {
    return std::nullopt;
  }
  std::string bytes;
  for (int shift = 8 * static_cast<int>(sizeof(Integer)) - 8; shift >= 0; shift -= 8) {
    bytes += static_cast<char>(number >> shift & 0xFF);
  }
  return bytes;
}

/// A number in as many bytes; absent: there is none, or it does not fit.
template <class Integer>
std::optional<std::string> integer_form(std::optional<std::int64_t> number) {
  return number ? big_endian<Integer>(*number) : std::nullopt;
}

template <class Integer>
std::optional<std::string> time_form(std::string_view text, std::optional<std::int64_t> time) {
  if (text == "infinity") return big_endian<Integer>(std::numeric_limits<Integer>::max());
  if (text == "-infinity") return big_endian<Integer>(std::numeric_limits<Integer>::min());
  return integer_form<Integer>(time);
}

std::optional<std::string> hex_form(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (; !text.empty(); text.remove_prefix(2)) {
    std::uint8_t byte = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + 2, byte, 16);
    if (error != std::errc() || end != text.data() + 2) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::optional<std::string> uuid_form(std::string_view text) {
  std::string digits(text);
  std::erase(digits, '-');
  const auto bytes = hex_form(digits);
  return bytes && bytes->size() == 16 ? bytes : std::nullopt;
}

std::optional<std::string> boolean_form(std::string_view text) {
  if (text == "t" || text == "true") return std::string(1, '\1');
  if (text == "f" || text == "false") return std::string(1, '\0');
  return std::nullopt;
}

}  // namespace

bool read_ordered(KeyType type, const std::uint8_t* at, std::int32_t length, OrderedValue& value) {
  const std::string_view field(reinterpret_cast<const char*>(at), static_cast<std::size_t>(length));
  const std::int32_t width = keyexpr::width_of(type);
  if (width != 0 && width != length) return false;
  switch (type) {
    case KeyType::int2:
      value = {static_cast<std::int16_t>(load_be16(at)), {}};
      return true;
    case KeyType::int4:
    case KeyType::date:
      value = {static_cast<std::int32_t>(load_be32(at)), {}};
      return true;
    case KeyType::oid:
      value = {load_be32(at), {}};
      return true;
    case KeyType::int8:
    case KeyType::timestamp:
    case KeyType::timestamptz:
      value = {static_cast<std::int64_t>(load_be64(at)), {}};
      return true;
    case KeyType::boolean:
      value = {*at != 0 ? 1 : 0, {}};
      return true;
    case KeyType::bpchar:
      value = {0, field.substr(0, field.find_last_not_of(' ') + 1)};
      return true;
    case KeyType::numeric:
      return read_numeric(field, value);
    case KeyType::text:
    case KeyType::varchar:
    case KeyType::name:
    case KeyType::uuid:
    case KeyType::bytea:
      value = {0, field};
      return true;
    case KeyType::other:
      break;
  }
  return false;
}

std::optional<std::string> binary_form(KeyType type, std::string_view text) {
  switch (type) {
    case KeyType::int2:
      return integer_form<std::int16_t>(keyexpr::parse_integer(text));
    case KeyType::int4:
      return integer_form<std::int32_t>(keyexpr::parse_integer(text));
    case KeyType::int8:
      return integer_form<std::int64_t>(keyexpr::parse_integer(text));
    case KeyType::oid:
      return integer_form<std::uint32_t>(keyexpr::parse_integer(text));
    case KeyType::date:
      return time_form<std::int32_t>(text, date_of(text));
    case KeyType::timestamp:
      return time_form<std::int64_t>(text, timestamp_of(text, false));
    case KeyType::timestamptz:
      return time_form<std::int64_t>(text, timestamp_of(text, true));
    case KeyType::boolean:
      return boolean_form(text);
    case KeyType::uuid:
      return uuid_form(text);
    case KeyType::bytea:
      return text.starts_with("\\x") ? hex_form(text.substr(2)) : std::nullopt;
    case KeyType::numeric:
      return numeric_form(text);
    case KeyType::text:
    case KeyType::varchar:
    case KeyType::bpchar:
    case KeyType::name:
      return std::string(text);
    case KeyType::other:
      break;
  }
  return std::nullopt;
}

std::optional<OrderedValue> ordered_value(KeyType type, std::string_view text,
                                          std::deque<std::string>& bytes) {
  auto form = binary_form(type, text);
  if (!form) return std::nullopt;
  const std::string& own = bytes.emplace_back(*std::move(form));
  OrderedValue value;
  if (!read_ordered(type, reinterpret_cast<const std::uint8_t*>(own.data()),
                    static_cast<std::int32_t>(own.size()), value)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace pgfanout

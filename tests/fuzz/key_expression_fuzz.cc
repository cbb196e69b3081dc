// Fuzz target: any text as a key expression over one column of every type. It is refused with a
// message or it compiles; if it compiles then
//   - its keys fit its type, and a row's key does not depend on the rows beside it,
//   - qualified_sql(), if it can be read again, compiles to the same keys and qualifies to itself.
// Aborts otherwise.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "copier/base/byte_order.h"
#include "hashing/key_expression.h"
#include "pgfanout/bytes.h"
#include "pgfanout/result.h"
#include "pgfanout/row_view.h"

namespace {

using pgfanout::FieldRef;
using pgfanout::KeyColumn;
using pgfanout::KeyExpression;
using pgfanout::KeyScratch;
using pgfanout::KeyState;
using pgfanout::KeyType;

const std::vector<KeyColumn>& columns() {
  static const std::vector<KeyColumn> all = {
      {"i2", KeyType::int2, "smallint"},
      {"i4", KeyType::int4, "integer"},
      {"i8", KeyType::int8, "bigint"},
      {"t", KeyType::text, "text"},
      {"v", KeyType::varchar, "character varying"},
      {"c", KeyType::bpchar, "character(8)"},
      {"u", KeyType::uuid, "uuid"},
      {"b", KeyType::bytea, "bytea"},
      {"f", KeyType::boolean, "boolean"},
      {"o", KeyType::other, "jsonb"},
      {"Mixed \"Case\"", KeyType::int8, "bigint"},
      {"select", KeyType::text, "text"},
  };
  return all;
}

/// A few rows of all columns: ordinary, extreme, empty, NULL, and lengths that fit no type.
class Rows {
 public:
  static constexpr std::size_t kRows = 6;

  Rows() {
    for (std::size_t row = 0; row < kRows; ++row) {
      for (std::size_t i = 0; i < columns().size(); ++i) add(value(row, i));
    }
  }

  /// The fields of the given columns, row by row.
  [[nodiscard]] std::vector<FieldRef> fields(const std::vector<std::size_t>& used) const {
    std::vector<FieldRef> chosen;
    for (std::size_t row = 0; row < kRows; ++row) {
      for (const std::size_t column : used) {
        chosen.push_back(fields_.at(row * columns().size() + column));
      }
    }
    return chosen;
  }
  [[nodiscard]] const std::uint8_t* base() const {
    return reinterpret_cast<const std::uint8_t*>(bytes_.data());
  }

 private:
  static std::string integer(std::int64_t value, std::size_t bytes) {
    std::uint8_t image[8];
    pgfanout::store_be64(image, static_cast<std::uint64_t>(value));
    return {image + sizeof image - bytes, image + sizeof image};
  }

  static std::size_t integer_bytes(KeyType type) {
    return type == KeyType::int2 ? 2 : type == KeyType::int4 ? 4 : type == KeyType::int8 ? 8 : 0;
  }

  static std::optional<std::string> value(std::size_t row, std::size_t column) {
    const KeyType type = columns()[column].type;
    if (row == 3) return std::nullopt;
    if (row == 4) return column % 2 == 0 ? std::string(5, 'x') : std::string();
    if (row == 5 && column % 3 == 0) return std::nullopt;
    if (const std::size_t bytes = integer_bytes(type); bytes > 0) {
      const std::int64_t smallest = std::numeric_limits<std::int64_t>::min() >> (64 - 8 * bytes);
      return integer(row == 0 ? 41 : row == 1 ? smallest : ~smallest, bytes);
    }
    if (type == KeyType::uuid) return std::string(16, static_cast<char>(0x11 * (row + 9)));
    if (type == KeyType::boolean) return std::string(1, static_cast<char>(row % 2));
    if (row == 1) return std::string();
    return row == 0 ? "abc  " : std::string("\xc3\xa4") + std::string(60, 'z');
  }

  void add(const std::optional<std::string>& value) {
    fields_.push_back({static_cast<std::uint32_t>(bytes_.size()),
                       value ? static_cast<std::int32_t>(value->size()) : -1});
    if (value) bytes_ += *value;
  }

  std::string bytes_;
  std::vector<FieldRef> fields_;
};

[[noreturn]] void fail(const char* what, std::string_view sql, std::string_view detail = {}) {
  std::fprintf(stderr, "%s\n%.*s\n%.*s\n", what, static_cast<int>(sql.size()), sql.data(),
               static_cast<int>(detail.size()), detail.data());
  std::abort();
}

struct Keys {
  std::vector<std::int64_t> keys;
  std::vector<KeyState> states;

  /// A key counts only where its state is ok.
  friend bool operator==(const Keys& a, const Keys& b) {
    if (a.states != b.states) return false;
    for (std::size_t i = 0; i < a.keys.size(); ++i) {
      if (a.states[i] == KeyState::ok && a.keys[i] != b.keys[i]) return false;
    }
    return true;
  }
};

Keys evaluate(const KeyExpression& expression, const Rows& rows) {
  const std::vector<FieldRef> fields = rows.fields(expression.used_columns());
  Keys result{std::vector<std::int64_t>(Rows::kRows), std::vector<KeyState>(Rows::kRows)};
  KeyScratch scratch;
  expression.evaluate(rows.base(), fields, Rows::kRows, scratch, result.keys, result.states);
  return result;
}

Keys evaluate_one_by_one(const KeyExpression& expression, const Rows& rows) {
  const std::vector<FieldRef> fields = rows.fields(expression.used_columns());
  const std::size_t used = expression.used_columns().size();
  Keys result{std::vector<std::int64_t>(Rows::kRows), std::vector<KeyState>(Rows::kRows)};
  KeyScratch scratch;
  for (std::size_t row = 0; row < Rows::kRows; ++row) {
    expression.evaluate(rows.base(), std::span(fields).subspan(row * used, used), 1, scratch,
                        std::span(result.keys).subspan(row, 1),
                        std::span(result.states).subspan(row, 1));
  }
  return result;
}

void check_range(const KeyExpression& expression, const Keys& found) {
  const KeyType type = expression.result_type();
  if (type != KeyType::int2 && type != KeyType::int4 && type != KeyType::int8) {
    fail("the key is not an integer", expression.sql());
  }
  for (std::size_t i = 0; i < found.keys.size(); ++i) {
    if (found.states[i] != KeyState::ok) continue;
    const std::int64_t key = found.keys[i];
    const bool fits = type == KeyType::int2   ? key == static_cast<std::int16_t>(key)
                      : type == KeyType::int4 ? key == static_cast<std::int32_t>(key)
                                              : true;
    if (!fits) fail("a key does not fit its type", expression.sql(), std::to_string(key));
  }
}

std::string qualified(const KeyExpression& expression) {
  std::vector<std::string> names;
  for (const KeyColumn& column : columns()) names.push_back(column.name);
  return expression.qualified_sql(names);
}

/// qualified_sql() is for the server. It may pass the limits on what compile() reads, since it has
/// more parentheses and longer names; and it writes a backslash as E'...', which compile() refuses.
bool can_be_read_again(std::string_view qualified_sql) {
  constexpr std::size_t kMaxBytes = 8192;
  constexpr std::size_t kMaxNesting = 50;
  std::size_t nesting = 0;
  std::size_t deepest = 0;
  for (const char c : qualified_sql) {
    if (c == '(') deepest = std::max(deepest, ++nesting);
    if (c == ')' && nesting > 0) --nesting;
  }
  return qualified_sql.size() <= kMaxBytes && deepest < kMaxNesting &&
         qualified_sql.find('\\') == std::string_view::npos;
}

void check_qualified(const KeyExpression& expression, const Rows& rows, const Keys& expected) {
  const std::string sql = qualified(expression);
  if (!can_be_read_again(sql)) return;
  const auto again = KeyExpression::compile(sql, columns());
  if (!again) fail("qualified_sql() does not compile", sql, again.error().message);
  if (again->result_type() != expression.result_type()) {
    fail("qualified_sql() is of another type", expression.sql(), sql);
  }
  if (!(evaluate(*again, rows) == expected)) {
    fail("qualified_sql() has other keys", expression.sql(), sql);
  }
  if (again->functions() != expression.functions()) {
    fail("qualified_sql() has other functions", expression.sql(), sql);
  }
  if (qualified(*again) != sql) {
    fail("qualified_sql() does not qualify to itself", sql, qualified(*again));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Rows rows;
  const std::string_view sql(reinterpret_cast<const char*>(data), size);
  const auto expression = KeyExpression::compile(sql, columns());
  if (!expression) {
    if (expression.error().code != "key-expression" || expression.error().message.empty()) {
      fail("an error without its code or message", sql, expression.error().code);
    }
    return 0;
  }
  if (expression->sql() != sql) fail("sql() is not what was given", sql, expression->sql());
  const Keys keys = evaluate(*expression, rows);
  if (!(evaluate_one_by_one(*expression, rows) == keys)) {
    fail("a key depends on the rows beside it", sql);
  }
  check_range(*expression, keys);
  check_qualified(*expression, rows, keys);
  return 0;
}

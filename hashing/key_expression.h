// The partition key expression: the user's SQL, compiled to a small program that is evaluated a
// batch of rows at a time. Grammar, types and refusals: hashing/KEY_EXPRESSION.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pgfanout/result.h"
#include "pgfanout/row_view.h"

namespace pgfanout {

/// Types of columns that this program knows. A key expression may use those before `other`.
enum class KeyType : std::uint8_t {
  int2,
  int4,
  int8,
  text,
  varchar,
  bpchar,
  uuid,
  bytea,
  boolean,
  other,
  // Of partition keys only:
  name,
  oid,
  date,
  timestamp,
  timestamptz,
  numeric
};

/// The type for a base type's OID in pg_type (20 is int8, 25 is text, ...).
[[nodiscard]] KeyType key_type_of_oid(std::uint32_t type_oid);

/// A column that an expression may name. `name` is as in pg_attribute, neither folded nor quoted.
struct KeyColumn {
  std::string name;
  KeyType type = KeyType::other;
  std::string type_name;  ///< As format_type() prints it.
  /// How far the bytes decide: about order and equality, about equality alone (collated text), or
  /// about neither (a nondeterministic collation).
  enum class Order : std::uint8_t { bytes, equal_bytes, unknown };
  Order order = Order::bytes;
};

/// The outcome of one row's key.
enum class KeyState : std::uint8_t {
  ok,
  null,          ///< The expression is NULL: the row has no leaf.
  out_of_range,  ///< "integer out of range", for example abs() of the smallest integer.
  division_by_zero,
  malformed,  ///< A field's length does not fit its type.
};

[[nodiscard]] std::string_view to_string(KeyState state);

/// Working memory for evaluation: grows to the largest batch seen and is then reused. One a thread.
class KeyScratch {
 public:
  KeyScratch();
  ~KeyScratch();
  KeyScratch(KeyScratch&&) noexcept;
  KeyScratch& operator=(KeyScratch&&) noexcept;

 private:
  friend class KeyExpression;
  struct Registers;
  std::unique_ptr<Registers> registers_;
};

struct PartitionKey;

class KeyExpression {
 public:
  /// Parses and type-checks `sql` over `columns`: an expression, or the text of a partition key
  /// (partition_key.h). An error has code "key-expression", the place
  /// marked in `where` (the expression, and under it a caret), and a hint.
  static Result<KeyExpression> compile(std::string_view sql, std::span<const KeyColumn> columns);

  /// Absent: an expression of the user's.
  [[nodiscard]] const PartitionKey* partition_key() const;
  /// A partition key over types that have no kernel: evaluate() takes a single field for each row,
  /// the int8 that the server computes by qualified_sql().
  [[nodiscard]] bool is_by_server() const;
  /// Indexes into the `columns` given to compile(), each once, in order of first use.
  [[nodiscard]] const std::vector<std::size_t>& used_columns() const;
  /// int2, int4 or int8: anything else is refused by compile(). int8 of a partition key.
  [[nodiscard]] KeyType result_type() const;
  /// The expression as given.
  [[nodiscard]] const std::string& sql() const;
  /// The same expression with every function qualified by pg_catalog and every column quoted.
  /// Renamed columns take their name from `column_names` (parallel to compile()'s `columns`).
  [[nodiscard]] std::string qualified_sql(std::span<const std::string> column_names) const;
  /// Names of the hash functions in it, unqualified, each once.
  [[nodiscard]] std::vector<std::string> functions() const;
  /// Whether the other one, compiled over the same columns, is the same computation: spelling,
  /// parentheses and casts that change nothing do not count.
  [[nodiscard]] bool computes_same_as(const KeyExpression& other) const;
  /// N of an expression of the form `... % N`, also within abs() or a cast: its keys are below N.
  /// HASH's modulus.
  [[nodiscard]] std::optional<std::int64_t> modulus() const;
  /// As qualified_sql(), with `modulus` in place of modulus(), which must have a value; of an
  /// expression of the user's.
  [[nodiscard]] std::string with_modulus(std::uint32_t modulus,
                                         std::span<const std::string> column_names) const;

  /// Keys of `rows` rows. `base` is the start of the batch's bytes; `fields` holds, row by row,
  /// used_columns().size() fields in that order. `keys` and `states` have `rows` elements; a key is
  /// meaningful only where its state is ok. Does not allocate once `scratch` has grown.
  void evaluate(const std::uint8_t* base, std::span<const FieldRef> fields, std::size_t rows,
                KeyScratch& scratch, std::span<std::int64_t> keys,
                std::span<KeyState> states) const;

 private:
  struct Program;
  explicit KeyExpression(std::shared_ptr<const Program> program);
  std::shared_ptr<const Program> program_;
};

}  // namespace pgfanout

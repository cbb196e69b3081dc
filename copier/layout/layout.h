// How a table is cut into leaves. This folder answers four questions about it: which leaves there
// are, which leaf takes a row, whether the server agrees, and what the application has to know. A
// strategy (LIST by a computed key) is a file of its own; nothing outside of the folder knows one.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/key/key_proof.h"
#include "copier/pg/connection.h"
#include "hashing/key_expression.h"
#include "pgfanout/job.h"
#include "pgfanout/result.h"
#include "pgfanout/row_view.h"

namespace pgfanout {

/// Rows to be routed: views, row by row. A layout by a key reads `keys` and `states`; one by
/// columns reads the fields that carry its columns: row i has fields[i * fields_per_row] and the
/// following.
struct LayoutRows {
  std::span<const std::int64_t> keys;  ///< Meaningful where the state is ok.
  std::span<const KeyState> states;
  const std::uint8_t* bytes = nullptr;  ///< The fields' offsets count from here.
  const FieldRef* fields = nullptr;
  std::size_t fields_per_row = 0;
};

/// Immutable after construction; thread-safe.
class Layout {
 public:
  static constexpr std::uint32_t kNoLeaf = UINT32_MAX;

  virtual ~Layout() = default;

  // Leaves: numbered from 0, in the order in which the layout was given them.

  [[nodiscard]] virtual std::size_t leaf_count() const = 0;
  /// The key by which reports name the leaf: of LIST its first one. Absent: it has none.
  [[nodiscard]] virtual std::optional<std::int64_t> leaf_key(std::uint32_t leaf) const = 0;
  /// The name that this tool gives to leaf `leaf` of a table named `table`. `pattern`: as the job
  /// has it; empty: the layout's own, cut to what a name may have.
  [[nodiscard]] virtual std::string leaf_name(std::string_view table, std::uint32_t leaf,
                                              std::string_view pattern) const = 0;
  /// Keys (or other bounds) that a layout of `wanted` leaves has and this one lacks, for messages.
  [[nodiscard]] virtual std::vector<std::string> missing_leaves(std::uint32_t wanted) const = 0;

  // Rows.

  /// Puts the leaf of each row, or kNoLeaf, into `leaf_of_row`, which has an element for each. A
  /// default partition takes rows only where the layout counts it among its leaves.
  virtual void route(const LayoutRows& rows, std::span<std::uint32_t> leaf_of_row) const = 0;
  /// SQL for an integer that decides about a row's leaf as a key does, or NULL for a row without a
  /// leaf: as few values as there are keys. `key_sql`: SQL for the row's key.
  [[nodiscard]] virtual std::string group_sql(const std::string& key_sql) const = 0;
  /// Why row `row` has no leaf: a stable code and a reason.
  [[nodiscard]] virtual std::pair<std::string, std::string> why_no_leaf(const LayoutRows& rows,
                                                                        std::size_t row) const = 0;

  // Proof.

  /// Compares what decides about a row's leaf with what the server at `source` computes, on rows of
  /// `table` and on hostile values. Refuses the job if they disagree.
  virtual Result<void> prove(Connection& source, const Table& table) const = 0;
};

using LayoutPointer = std::shared_ptr<const Layout>;

/// The leaf of each outcome of the key expression, or Layout::kNoLeaf.
[[nodiscard]] std::vector<std::uint32_t> leaves_of(const Layout& layout,
                                                   std::span<const KeyOutcome> keys);

/// Leaves that bear the name that this tool gives them under `target` get the one under `source`;
/// others keep theirs. Pairs of the name now and then, in the layout's order.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> leaf_renames(
    const Layout& layout, const std::vector<std::string>& leaves, const std::string& target,
    const std::string& source, std::string_view pattern = {});

/// A table that is to be filled, as the catalog has it.
struct ExistingLayout {
  std::vector<Leaf> leaves;               ///< Those that take rows.
  LayoutPointer layout;                   ///< Over those leaves.
  std::optional<std::size_t> key_column;  ///< Of the table's columns: the one that stores the key.
  bool key_is_generated = false;          ///< By the server, in that column.
  std::string expression;                 ///< That the table is partitioned by; empty: by columns.
  std::vector<std::string> partition_columns;  ///< As in NewLayout.
};

/// The consequences of a layout for columns, keys and statements, before any leaf is known.
struct LayoutRules {
  bool stores_key = false;    ///< The target has a column for the key.
  bool supplies_key = false;  ///< Statements that insert have to fill it.
  bool checks_key = false;    ///< A constraint refuses a wrong one.
  bool by_columns = false;    ///< Partitioned by plain columns: the parent may have unique keys.
  bool is_plain = false;      ///< One table that is not partitioned, which is its own leaf.
};

struct NewLayoutRequest {
  const JobDescription& job;
  const KeyExpression& key;
  const Column* key_column = nullptr;  ///< Of the target; null: none.
  std::string key_sql;                 ///< Qualified, over the target's columns.
  /// Of the target: the columns that the key is computed from, in its order.
  std::vector<Column> key_inputs;
};

/// The layout of a new target, as the job asks for it and the source's rows settle it.
struct SettledLayout {
  std::string key;  ///< Over the source's columns: the text of a partition key.
  std::uint32_t partitions = 0;
};

/// The SQL of a layout. Leaves are made as tables of their own with their checks, loaded, and
/// attached.
struct LayoutDdl {
  struct OfLeaf {
    std::string bound;  ///< "FOR VALUES IN (7)".
    /// A condition that implies the bound, so that ATTACH need not scan; empty: none does.
    std::string bound_check;
  };
  std::string partition_by;  ///< "LIST (partition_key)".
  std::string row_check;     ///< "CONSTRAINT ... CHECK (...)" of parent and leaves; empty: none.
  std::vector<OfLeaf> leaves;
};

struct NewLayout {
  LayoutPointer layout;
  LayoutDdl ddl;
  /// Every unique key of the table has to contain them, and a query names them to read one leaf.
  /// Empty: the table is partitioned by an expression, and its parent has no unique keys.
  std::vector<std::string> partition_columns;
};

/// A strategy of partitioning, before the leaves of one table are known. Has no state.
class LayoutKind {
 public:
  virtual ~LayoutKind() = default;

  // Tables that exist.

  /// The key of a table that is partitioned by plain columns, over these: the text of a partition
  /// key. Empty: the job's key decides. Refuses a table that no key describes.
  [[nodiscard]] virtual Result<std::string> key_of(const Table& table) const = 0;
  /// All leaves of a table in the layout's order.
  [[nodiscard]] virtual Result<std::vector<Leaf>> leaves_in_order(const Table& table) const = 0;
  /// The layout by the bounds that the server states, never by names: its leaf i is leaves[i].
  /// Refuses bounds that it cannot route for.
  [[nodiscard]] virtual Result<LayoutPointer> layout_of(const std::vector<Leaf>& leaves,
                                                        const KeyExpression& key) const = 0;
  /// The highest key that a leaf takes, plus one: N of a key `... % N`. Absent: there is none, or
  /// no key of that form.
  [[nodiscard]] virtual std::optional<std::uint32_t> key_count(const Table& table) const = 0;
  /// Whether the key, which `key_column` (null: no column) stores, decides about the leaves.
  [[nodiscard]] virtual bool is_by_key(const Table& table, const Column* key_column) const = 0;
  /// Refuses a target that is not laid out as the job asks for, or lacks a leaf. `key_column` is
  /// the name that the job gives it, as in the catalog.
  [[nodiscard]] virtual Result<ExistingLayout> examine(const JobDescription& job,
                                                       const Table& source, const Table& target,
                                                       const std::string& key_column,
                                                       const KeyExpression& key) const = 0;
  /// Refuses that target if it is laid out by another expression than the job's key. `key_sql` is
  /// that one, qualified, over the target's columns.
  [[nodiscard]] virtual Result<void> check_expression(Connection& connection, const Table& target,
                                                      const ExistingLayout& existing,
                                                      const std::string& key_sql) const = 0;

  // Targets that are to be made.

  /// Refuses a number of leaves that no table can have, and a pattern of their names that does not
  /// tell them apart.
  [[nodiscard]] virtual Result<void> check_request(const JobDescription& job) const = 0;
  /// Settles what the job leaves open about leaves by columns. Not called of LIST by the key.
  [[nodiscard]] virtual Result<SettledLayout> settle(const TableRequest& job, Connection& source,
                                                     const Table& table) const = 0;
  [[nodiscard]] virtual NewLayout make(const NewLayoutRequest& request) const = 0;

  // The application.

  [[nodiscard]] virtual LayoutRules rules(const JobDescription& job) const = 0;
  /// The consequences for later inserts and queries, in a sentence. `key_column`: the target's, if
  /// it has one.
  [[nodiscard]] virtual std::string note(const JobDescription& job,
                                         const std::optional<std::string>& key_column) const = 0;
  /// SQL for a key that a constraint must refuse, from SQL for the row's own; absent: none does.
  [[nodiscard]] virtual std::optional<std::string> wrong_key_sql(const JobDescription& job,
                                                                 std::string_view key) const = 0;
};

/// Keys from 0 to N-1 that the job asks for, or that the key's own modulus gives; 0: it is not
/// known which ones there are. Of a partition key always its modulus.
[[nodiscard]] std::uint32_t wanted_keys(const TableRequest& job, const KeyExpression& key);

/// The kind that the job asks for.
[[nodiscard]] const LayoutKind& layout_kind_of(const TableRequest& job);
/// The kind of a table that exists. LIST on an integer column is one by the key, unless `key` is a
/// partition key.
[[nodiscard]] const LayoutKind& layout_kind_of(const Table& table,
                                               const KeyExpression* key = nullptr);

/// "HASH (a, b)", "RANGE (c)", "LIST (c)" or "none", as a job asks for it.
struct PartitionBy {
  char strategy = 0;                 ///< 'h', 'r', 'l'; 0: not partitioned.
  std::vector<std::string> columns;  ///< As in the catalog.
};
[[nodiscard]] Result<PartitionBy> parse_partition_by(std::string_view text);

}  // namespace pgfanout

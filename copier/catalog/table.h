// Finds relations by name, and describes tables as the catalog does: plain data.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "copier/catalog/relation_name.h"
#include "copier/catalog/source_range.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct Column {
  std::string name;
  std::string quoted;       ///< The name for SQL, quoted where needed.
  std::int16_t number = 0;  ///< pg_attribute.attnum.
  std::uint32_t type_oid = 0;
  std::int32_t type_modifier = -1;     ///< pg_attribute.atttypmod.
  std::uint32_t base_type_oid = 0;     ///< Under a domain; else type_oid.
  std::string type_sql;                ///< As in DDL: "character varying(20)", "public.mood".
  char type_type = 'b';                ///< pg_type.typtype: b, c, d, e, r, m, p.
  std::uint32_t element_type_oid = 0;  ///< Of an array; else 0.
  char element_type_type = 0;          ///< typtype of the element; 0 if not an array.
  bool is_not_null = false;   ///< No row has NULL: a NOT NULL that is NOT VALID says nothing.
  std::string not_null_name;  ///< Of that constraint; empty: none, or a server before 18.
  std::string default_sql;    ///< Default or generation expression; empty: none.
  char identity = 0;          ///< 'a', 'd', or 0.
  char generated = 0;         ///< 's' stored, 'v' virtual, or 0.
  std::vector<std::int16_t> generated_from;  ///< Numbers of the columns that it is computed from.
  std::string collation;         ///< Qualified and quoted if not the type's default; else empty.
  bool is_deterministic = true;  ///< Of its collation.
  char storage = 'p';
  char type_storage = 'p';  ///< The type's default.
  char compression = 0;     ///< 'p', 'l', or 0 for the default.
  int statistics = -1;      ///< pg_attribute.attstattarget; -1: default.
};

struct Leaf {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  std::string qualified;  ///< Quoted, for SQL.
  char kind = 'r';        ///< pg_class.relkind.
  std::string access_method;
  std::string bound;  ///< pg_get_expr(relpartbound, oid); empty for a table without partitions.
  /// Of a plainly partitioned RANGE without partitions of partitions: counted from 0 by the bounds'
  /// order, which only the server knows; a default partition's is the last.
  std::uint32_t place = 0;
  std::uint32_t parent_oid = 0;
  std::uint64_t blocks = 0;
  std::uint64_t total_bytes = 0;  ///< Heap and TOAST.
  bool may_use_schema = false;
  bool may_select = false;
  bool may_insert = false;
  bool hides_rows = false;  ///< Row-level security of the leaf itself is active for this role.
};

/// The search_path of the application: see application_path.h.
struct ApplicationPath {
  std::string sql = "''";           ///< For SET search_path = ...
  std::string shown;                ///< As in psql: app, public
  std::string origin;               ///< Of the path: "of role app".
  std::string role;                 ///< Whose it is, unquoted.
  std::vector<std::string> others;  ///< Other roles with other paths: "role etl: x, y".
};

struct Table {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  std::string qualified;  ///< Quoted, for SQL.
  char kind = 'r';        ///< 'r' or 'p' (others are refused by describe_table).
  char persistence = 'p';
  std::string owner;
  std::vector<Column> columns;  ///< Without dropped ones, by attnum.
  /// By qualified name. If the table is not partitioned: itself, and all tables that inherit from
  /// it, since a plain SELECT reads their rows too.
  std::vector<Leaf> leaves;
  char strategy = 0;                           ///< 'h', 'l', 'r', or 0.
  std::vector<std::string> partition_columns;  ///< Empty string where it is an expression.
  std::string partition_key;                   ///< pg_get_partkeydef(); empty if none.
  std::vector<std::string> primary_key;        ///< Column names; empty: none.
  std::uint64_t estimated_rows = 0;            ///< From reltuples; 0 when unknown.
  bool hides_rows = false;  ///< Row-level security is active for this role, here or on a leaf.
  bool is_owner = false;
  ApplicationPath application = {};  ///< Empty until find_application_path().
  /// Qualified names of partitions that are partitioned themselves.
  std::vector<std::string> subpartitioned;

  [[nodiscard]] const Column* find(std::string_view column) const;
  /// By columns, each in its own collation and by its type's own operators.
  [[nodiscard]] bool is_plainly_partitioned() const;
  /// "{1,2,3}": an array parameter.
  [[nodiscard]] std::string leaf_oids() const;
  [[nodiscard]] std::vector<LeafSize> leaf_sizes() const;
  /// Whether tables inherit from it that are not its partitions. Constraints, triggers, indexes
  /// and row-level security are each table's own then.
  [[nodiscard]] bool has_heirs() const { return kind != 'p' && leaves.size() > 1; }
};

struct FoundRelation {
  std::uint32_t oid = 0;   ///< 0: there is none.
  char kind = 0;           ///< pg_class.relkind.
  char persistence = 0;    ///< pg_class.relpersistence.
  bool is_system = false;  ///< In a schema of the server's own.
};

/// The relation that psql would find under this name: an unqualified one is looked up in the
/// search_path that the role, the database or the connection string sets, not in the session's
/// empty one. Works in and outside of a transaction.
Result<FoundRelation> find_relation(Connection& connection, const RelationName& name);

/// "a view", "a sequence", ... for pg_class.relkind.
[[nodiscard]] std::string_view kind_name(char kind);

/// Refuses a relation that is no table, with its kind and a way out; `written`: the name as given.
Result<void> check_is_table(const FoundRelation& found, const RelationName& name,
                            std::string_view written);

/// The table named as in psql: qualified or found by the role's own search_path, quoted where
/// needed. Refuses a relation that is no table, with its kind, and a missing one, with near names
/// as a hint.
Result<Table> describe_table(Connection& connection, std::string_view name);
/// The same by OID.
Result<Table> describe_table(Connection& connection, std::uint32_t oid);

}  // namespace pgfanout

// Facts of pg_type that copying values needs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct TypeFacts {
  std::string name;                   ///< Qualified, without modifier: for to_regtype() elsewhere.
  char kind = 'b';                    ///< pg_type.typtype.
  std::uint32_t element = 0;          ///< Of an array.
  std::uint32_t base = 0;             ///< Of a domain.
  std::uint32_t subtype = 0;          ///< Of a range or multirange.
  std::vector<std::uint32_t> fields;  ///< Of a composite, in order.
  bool has_binary_form = true;        ///< It can be sent and received.
  std::string definition;  ///< Fields of a composite; what a domain or a range is made of.
};

using TypeMap = std::map<std::uint32_t, TypeFacts>;

/// `types` and all types that they consist of.
Result<TypeMap> read_types(Connection& connection, const std::vector<std::uint32_t>& types);

/// A column that has nothing but the fields that describe a type.
Result<Column> describe_type(Connection& connection, std::uint32_t oid, std::int32_t modifier);

/// The OID that a qualified type name has in this database; 0: there is no such type.
Result<std::uint32_t> find_type(Connection& connection, const std::string& name);

/// "{1,2,3}": an array parameter.
[[nodiscard]] std::string oid_array(const std::vector<std::uint32_t>& oids);
/// The same for any text.
[[nodiscard]] std::string text_array(const std::vector<std::string>& values);

}  // namespace pgfanout

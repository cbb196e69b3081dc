#include "copier/columns/type_transport.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "copier/base/lists.h"
#include "copier/base/shell_word.h"

namespace pgfanout {
namespace {

/// Below this OIDs are part of PostgreSQL itself and the same everywhere.
constexpr std::uint32_t kFirstLocalOid = 10000;

/// regproc, regprocedure, regoper, regoperator, regclass, regtype, regconfig, regdictionary,
/// regnamespace, regrole, regcollation: names to a reader, OIDs of this database on the wire.
constexpr std::array<std::uint32_t, 11> kRegTypes = {24,   2202, 2203, 2204, 2205, 2206,
                                                     3734, 3769, 4089, 4096, 4191};

bool is_local(std::uint32_t oid) {
  return oid >= kFirstLocalOid;
}

std::vector<std::uint32_t> parts_of(const TypeFacts& type) {
  std::vector<std::uint32_t> parts = type.fields;
  for (const std::uint32_t part : {type.base, type.subtype, type.element}) {
    if (part != 0) parts.push_back(part);
  }
  return parts;
}

/// The first type in `type`, itself included, for which `is_wanted` holds.
template <class Predicate>
std::optional<std::string> find_within(const TypeMap& types, std::uint32_t oid,
                                       Predicate is_wanted) {
  const auto type = types.find(oid);
  if (type == types.end()) return std::nullopt;
  if (is_wanted(oid, type->second)) return type->second.name;
  for (const std::uint32_t part : parts_of(type->second)) {
    if (auto found = find_within(types, part, is_wanted)) return found;
  }
  return std::nullopt;
}

std::uint32_t without_domains(const TypeMap& types, std::uint32_t oid) {
  auto type = types.find(oid);
  while (type != types.end() && type->second.kind == 'd') {
    oid = type->second.base;
    type = types.find(oid);
  }
  return oid;
}

Error refuse_column(const Column& column, std::string code, std::string_view what,
                    std::string hint) {
  return refused(std::move(code), fmt::format("column {} {}", column.quoted, what), std::move(hint),
                 column.name);
}

std::string hint_as_text(const Column& column) {
  return fmt::format(
      "copy it as text (--map {} and a column of that type), or leave it out with --skip",
      shell_word(fmt::format("{0}={0}::text", column.quoted)));
}

std::string words_of(const TypeFacts& type) {
  if (!type.definition.empty()) return type.definition;
  return type.kind == 'e' ? "an enum" : fmt::format("of another kind ({})", type.kind);
}

class Transport {
 public:
  Transport(Connection& source, Connection& target, bool is_same_database)
      : source_(source), target_(target), is_same_database_(is_same_database) {}

  Result<std::vector<OidPatch>> plan(const ColumnPlan& columns) {
    PGFANOUT_TRY(collect(columns));
    PGFANOUT_TRY_ASSIGN(types_, read_types(source_, oids_));
    for (std::uint16_t field = 0; field < columns_.size(); ++field) {
      PGFANOUT_TRY(plan_field(field, *columns_[field], oids_[field]));
    }
    return std::move(patches_);
  }

 private:
  /// The stream's columns and, for each, the source's OID of the type that it has there.
  Result<void> collect(const ColumnPlan& columns) {
    for (const PlannedColumn* planned : columns.streamed()) {
      std::uint32_t oid = planned->stream_type_oid;
      if (oid == 0) {
        PGFANOUT_TRY_ASSIGN(oid, source_type_of(planned->column));
      }
      columns_.push_back(&planned->column);
      oids_.push_back(oid);
    }
    return {};
  }

  /// A target's type, as the source's database knows it.
  Result<std::uint32_t> source_type_of(const Column& column) {
    if (is_same_database_ || !is_local(column.type_oid)) return std::uint32_t{column.type_oid};
    PGFANOUT_TRY_ASSIGN(const TypeMap facts, read_types(target_, {column.type_oid}));
    const std::string& name = facts.at(column.type_oid).name;
    PGFANOUT_TRY_ASSIGN(const std::uint32_t oid, find_type(source_, name));
    if (oid == 0) {
      return refuse_column(column, "type-missing",
                           fmt::format("is of type {}, which the source's database does not have, "
                                       "so values cannot be cast to it there",
                                       name),
                           "create the type there, or give the column another type");
    }
    return std::uint32_t{oid};
  }

  Result<void> plan_field(std::uint16_t field, const Column& column, std::uint32_t oid) {
    if (auto bare = find_within(types_, oid, [](std::uint32_t, const TypeFacts& type) {
          return !type.has_binary_form;
        })) {
      return refuse_column(column, "no-binary-form",
                           fmt::format("is of type {}, which has no binary form", *bare),
                           hint_as_text(column));
    }
    if (is_same_database_) return {};
    PGFANOUT_TRY(check_exists(column, oid));
    if (auto reg = find_within(types_, oid, [](std::uint32_t type, const TypeFacts&) {
          return contains(kRegTypes, type);
        })) {
      return refuse_column(column, "local-oids",
                           fmt::format("is of type {}, whose values are OIDs of the source's "
                                       "database",
                                       *reg),
                           hint_as_text(column));
    }
    TypeShape shape = shape_of(types_, there_, oid);
    if (shape.form != TypeShape::Form::plain) patches_.push_back({field, std::move(shape)});
    return {};
  }

  /// Every type that users made must be there under the same name, and be the same.
  Result<void> check_exists(const Column& column, std::uint32_t oid) {
    std::vector<std::uint32_t> local;
    (void)find_within(types_, oid, [&](std::uint32_t type, const TypeFacts&) {
      if (is_local(type)) local.push_back(type);
      return false;
    });
    for (const std::uint32_t type : local) {
      const TypeFacts& here = types_.at(type);
      PGFANOUT_TRY_ASSIGN(const std::uint32_t there, find_type(target_, here.name));
      if (there == 0) {
        return refuse_column(
            column, "type-missing",
            fmt::format("needs type {}, which the target's database does not have", here.name),
            fmt::format("create {} there as it is in the source's", here.name));
      }
      PGFANOUT_TRY_ASSIGN(const TypeMap facts, read_types(target_, {there}));
      const TypeFacts& other = facts.at(there);
      if (here.kind != other.kind || here.definition != other.definition) {
        return refuse_column(column, "type-differs",
                             fmt::format("needs type {}, which is {} in the source's database and "
                                         "{} in the target's",
                                         here.name, words_of(here), words_of(other)),
                             fmt::format("create {} there as it is in the source's, or {}",
                                         here.name, hint_as_text(column)));
      }
      if (here.kind == 'e') PGFANOUT_TRY(check_labels(column, type, there));
      there_[type] = there;
    }
    return {};
  }

  Result<void> check_labels(const Column& column, std::uint32_t here, std::uint32_t there) {
    PGFANOUT_TRY_ASSIGN(const std::vector<std::string> ours, labels(source_, here));
    PGFANOUT_TRY_ASSIGN(const std::vector<std::string> theirs, labels(target_, there));
    for (const std::string& label : ours) {
      if (contains(theirs, label)) continue;
      const std::string& name = types_.at(here).name;
      return refuse_column(
          column, "type-differs",
          fmt::format("is of the enum {}, which lacks the label '{}' in the "
                      "target's database",
                      name, label),
          fmt::format("ALTER TYPE {} ADD VALUE {}", name, target_.quote_literal(label)));
    }
    return {};
  }

  static Result<std::vector<std::string>> labels(Connection& connection, std::uint32_t type) {
    PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query("SELECT e.enumlabel FROM pg_enum e"
                                                          " WHERE e.enumtypid = $1::oid",
                                                          {std::to_string(type)}));
    return rows.column(0);
  }

  Connection& source_;
  Connection& target_;
  const bool is_same_database_;
  std::vector<const Column*> columns_;
  std::vector<std::uint32_t> oids_;
  TypeMap types_;                                 // plan
  std::map<std::uint32_t, std::uint32_t> there_;  // check_exists: the target's OIDs
  std::vector<OidPatch> patches_;
};

}  // namespace

TypeShape shape_of(const TypeMap& types, const std::map<std::uint32_t, std::uint32_t>& there,
                   std::uint32_t type) {
  using Form = TypeShape::Form;
  TypeShape shape;
  shape.from_oid = type;
  const auto other = there.find(type);
  shape.to_oid = other == there.end() ? type : other->second;
  const auto found = types.find(without_domains(types, type));
  if (found == types.end()) return shape;
  const TypeFacts& facts = found->second;
  bool names_parts = true;
  if (facts.element != 0) {
    shape.form = Form::array;
    shape.parts = {shape_of(types, there, facts.element)};
  } else if (!facts.fields.empty()) {
    shape.form = Form::composite;
    for (const std::uint32_t field : facts.fields) {
      shape.parts.push_back(shape_of(types, there, field));
    }
  } else if (facts.subtype != 0) {
    names_parts = false;
    shape.form = Form::range;
    shape.parts = {shape_of(types, there, facts.subtype)};
  }
  const bool changes = std::ranges::any_of(shape.parts, [&](const TypeShape& part) {
    return part.form != Form::plain || (names_parts && part.from_oid != part.to_oid);
  });
  if (!changes) {
    shape.form = Form::plain;
    shape.parts.clear();
  } else if (facts.kind == 'm') {
    TypeShape range = shape;
    shape.form = Form::multirange;
    shape.parts = {std::move(range)};
  }
  return shape;
}

Result<std::vector<OidPatch>> plan_transport(Connection& source, Connection& target,
                                             const ColumnPlan& columns, bool is_same_database) {
  return Transport(source, target, is_same_database).plan(columns);
}

}  // namespace pgfanout

#include "copier/columns/own_sequence.h"

#include <fmt/format.h>

#include <array>

#include "copier/base/lists.h"
#include "copier/catalog/sql_text.h"
#include "copier/columns/mapping.h"

namespace pgfanout {
namespace {

constexpr std::array<std::string_view, 3> kTypes = {"bigint", "integer", "smallint"};

Error bad_sequence(const TargetSequence& wish, std::string message, std::string hint) {
  return refused("bad-sequence", std::move(message), std::move(hint),
                 "target.sequences." + wish.name);
}

std::string literal_of(std::string_view text) {
  return "'" + with_placeholder(text, "'", "''") + "'";
}

}  // namespace

std::string OwnSequence::options() const {
  return fmt::format("AS {} START WITH {} INCREMENT BY {}", wish.type, wish.start, wish.increment);
}

std::string OwnSequence::default_sql() const {
  return fmt::format("nextval({}::regclass)", literal_of(qualified));
}

Result<std::vector<OwnSequence>> own_sequences(const TableRequest& job, const Table& source) {
  std::vector<OwnSequence> own;
  if (job.target.sequences.empty()) return own;
  std::string schema = source.schema;
  if (!job.into.empty()) {
    PGFANOUT_TRY_ASSIGN(const RelationName into, parse_relation_name(job.into));
    if (!into.schema.empty()) schema = into.schema;
  }
  for (const TargetSequence& wish : job.target.sequences) {
    PGFANOUT_TRY_ASSIGN(RelationName name, parse_relation_name(wish.name));
    if (name.schema.empty()) name.schema = schema;
    if (name.schema != schema) {
      return bad_sequence(wish,
                          fmt::format("a sequence that a column of the new table owns is in the "
                                      "table's schema, {}",
                                      display_name(schema)),
                          "leave the schema out of its name");
    }
    if (name.name.empty() || name.name.size() > kMaxNameBytes) {
      return bad_sequence(wish,
                          fmt::format("the name of a sequence has 1 to {} bytes", kMaxNameBytes),
                          "name it otherwise");
    }
    if (!contains(kTypes, wish.type)) {
      return bad_sequence(wish, "a sequence counts as bigint, integer or smallint",
                          "write as = \"bigint\"");
    }
    if (wish.increment == 0) {
      return bad_sequence(wish, "a sequence has to go up or down", "write increment = 1");
    }
    const std::string qualified = quoted_name(name.schema, name.name);
    own.push_back(
        {wish, std::move(name), qualified, column_name_of(wish.owned_by, source.columns)});
  }
  return own;
}

const OwnSequence* drawn_from(const std::vector<OwnSequence>& own, std::string_view literal) {
  if (literal.size() < 2 || literal.front() != '\'') return nullptr;
  const auto name =
      parse_relation_name(with_placeholder(literal.substr(1, literal.size() - 2), "''", "'"));
  if (!name) return nullptr;
  return find_where(own, [&](const OwnSequence& each) {
    return each.name.name == name->name &&
           (name->schema.empty() || each.name.schema == name->schema);
  });
}

}  // namespace pgfanout

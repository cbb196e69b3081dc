#include "copier/queries/query_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "copier/base/lists.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

using Json = nlohmann::json;
using Pieces = std::span<const SqlPiece>;

int depth_change(const SqlPiece& piece) {
  if (piece.is("(") || piece.is("[")) return 1;
  return piece.is(")") || piece.is("]") ? -1 : 0;
}

/// Where the parenthesis or bracket at `open` closes; the end: nowhere.
std::size_t closing(Pieces pieces, std::size_t open) {
  int depth = 0;
  for (std::size_t at = open; at < pieces.size(); ++at) {
    depth += depth_change(pieces[at]);
    if (depth == 0) return at;
  }
  return pieces.size();
}

/// Without blanks around it, and without parentheses around the whole.
Pieces stripped(Pieces pieces) {
  while (!pieces.empty()) {
    if (pieces.front().kind == SqlPieceKind::blank) {
      pieces = pieces.subspan(1);
    } else if (pieces.back().kind == SqlPieceKind::blank) {
      pieces = pieces.first(pieces.size() - 1);
    } else if (pieces.front().is("(") && closing(pieces, 0) + 1 == pieces.size()) {
      pieces = pieces.subspan(1, pieces.size() - 2);
    } else {
      break;
    }
  }
  return pieces;
}

std::string text_of_pieces(Pieces pieces) {
  return joined(pieces, "", &SqlPiece::text);
}

bool is_word(const SqlPiece& piece, std::string_view word) {
  return piece.kind == SqlPieceKind::name && piece.text == word;
}

bool is_operator_byte(const SqlPiece& piece) {
  return piece.kind == SqlPieceKind::symbol &&
         std::string_view("+-*/<>=~!@#%^&|`?").find(piece.text) != std::string_view::npos;
}

/// The first place outside of parentheses where `is_there` holds; the end: none.
template <class Predicate>
std::size_t find_outside(Pieces pieces, Predicate is_there) {
  int depth = 0;
  for (std::size_t at = 0; at < pieces.size(); ++at) {
    if (depth == 0 && is_there(at)) return at;
    depth += depth_change(pieces[at]);
  }
  return pieces.size();
}

/// The column that a side is; empty: it is more than that.
std::string column_of(Pieces side) {
  side = stripped(side);
  side = stripped(side.first(find_outside(side, [&](std::size_t at) {
    return side[at].is(":") && at + 1 < side.size() && side[at + 1].is(":");
  })));
  for (std::size_t at = 0; at < side.size(); ++at) {
    if (at % 2 == 0 ? !side[at].is_name() : !side[at].is(".")) return {};
  }
  return side.size() % 2 == 1 ? side.back().name : std::string();
}

bool is_constant(Pieces side) {
  side = stripped(side);
  return !side.empty() && (side[0].kind == SqlPieceKind::literal || side[0].is("$"));
}

PlanCondition condition_of(Pieces term) {
  const std::size_t at = find_outside(term, [&](std::size_t place) {
    return is_operator_byte(term[place]) || is_word(term[place], "IS") ||
           (is_word(term[place], "OPERATOR") && place + 1 < term.size() && term[place + 1].is("("));
  });
  PlanCondition found;
  if (at == term.size() || at == 0) {
    found.expression = text_of_pieces(term);
    found.column = column_of(term);
    return found;
  }
  Pieces left = stripped(term.first(at));
  Pieces right;
  if (is_word(term[at], "IS")) {
    found.op = text_of_pieces(term.subspan(at));
  } else if (is_word(term[at], "OPERATOR")) {
    const std::size_t end = std::min(closing(term, at + 1) + 1, term.size());
    for (std::size_t place = at + 2; place < end; ++place) {
      if (is_operator_byte(term[place])) found.op += term[place].text;
    }
    right = stripped(term.subspan(end));
  } else {
    std::size_t end = at;
    while (end < term.size() && is_operator_byte(term[end])) found.op += term[end++].text;
    right = stripped(term.subspan(end));
  }
  if (is_constant(left) && !is_constant(right) && !right.empty()) std::swap(left, right);
  found.expression = text_of_pieces(left);
  found.column = column_of(left);
  found.value = text_of_pieces(right);
  return found;
}

void add_conditions(Pieces pieces, std::vector<PlanCondition>& to) {
  pieces = stripped(pieces);
  const bool has_or = find_outside(pieces, [&](std::size_t at) {
                        return is_word(pieces[at], "OR");
                      }) < pieces.size();
  const std::size_t end =
      has_or ? pieces.size()
             : find_outside(pieces, [&](std::size_t at) { return is_word(pieces[at], "AND"); });
  if (end < pieces.size()) {
    add_conditions(pieces.first(end), to);
    add_conditions(pieces.subspan(end + 1), to);
  } else if (has_or) {
    to.push_back({text_of_pieces(pieces), {}, {}, {}});
  } else if (!pieces.empty()) {
    to.push_back(condition_of(pieces));
  }
}

std::string text_at(const Json& node, const char* name) {
  const auto found = node.find(name);
  return found != node.end() && found->is_string() ? found->get<std::string>() : std::string();
}

double number_at(const Json& node, const char* name) {
  const auto found = node.find(name);
  return found != node.end() && found->is_number() ? found->get<double>() : 0;
}

class PlanReader {
 public:
  explicit PlanReader(QueryPlan& plan) : plan_(plan) {}

  /// Returns the shape of the node with what is below it. `above`: the relation that the nodes of a
  /// bitmap are about, which name none.
  std::string read(const Json& node, const std::string& above) {
    if (!node.is_object()) return {};
    const auto loops = node.find("Actual Loops");
    const bool was_executed =
        loops == node.end() || !loops->is_number() || loops->get<double>() > 0;
    const std::string relation = relation_of(node);
    const std::string type = text_at(node, "Node Type");
    plan_.changes_data |= type == "ModifyTable" || type == "LockRows";
    if (was_executed) add_scan(node, type, relation.empty() ? above : relation);
    add_texts(node, "Sort Key", plan_.sort_keys);
    const std::string below = read_children(node, relation.empty() ? above : relation);
    if (!was_executed) return {};
    return below.empty() ? type : type + " > " + below;
  }

  static void add_texts(const Json& node, const char* name, std::vector<std::string>& to) {
    const auto texts = node.find(name);
    if (texts == node.end() || !texts->is_array()) return;
    for (const Json& text : *texts) {
      if (text.is_string()) to.push_back(text.get<std::string>());
    }
  }

 private:
  static std::string relation_of(const Json& node) {
    const std::string name = text_at(node, "Relation Name");
    const std::string schema = text_at(node, "Schema");
    return name.empty() || schema.empty() ? name : schema + "." + name;
  }

  void add_scan(const Json& node, const std::string& type, const std::string& relation) {
    const std::string index = text_at(node, "Index Name");
    if (!index.empty()) plan_.indexes.insert(index);
    const bool reads = node.contains("Relation Name") || !index.empty();
    if (!reads || relation.empty()) return;
    plan_.relations.insert(relation);
    PlanScan& scan = plan_.scans.emplace_back(PlanScan{type, relation, index, {}});
    for (const char* name : {"Index Cond", "Recheck Cond", "Filter", "Order By"}) {
      const std::string text = text_at(node, name);
      append(scan.conditions, conditions_of(text));
    }
  }

  std::string read_children(const Json& node, const std::string& above) {
    const auto children = node.find("Plans");
    if (children == node.end()) return {};
    std::vector<std::pair<std::string, int>> shapes;
    for (const Json& child : *children) {
      const std::string shape = read(child, above);
      if (shape.empty()) continue;
      if (auto* known = find_by(shapes, &std::pair<std::string, int>::first, shape)) {
        ++known->second;
      } else {
        shapes.emplace_back(shape, 1);
      }
    }
    const std::string text = joined(shapes, ", ", [](const auto& each) {
      const auto& [shape, count] = each;
      return count == 1 ? shape : fmt::format("{} x {}", count, shape);
    });
    return shapes.size() > 1 ? "(" + text + ")" : text;
  }

  QueryPlan& plan_;
};

}  // namespace

std::vector<PlanCondition> conditions_of(std::string_view text) {
  std::vector<PlanCondition> conditions;
  const std::vector<SqlPiece> pieces = sql_pieces(text);
  add_conditions(pieces, conditions);
  return conditions;
}

Result<QueryPlan> parse_plan(std::string_view json) {
  const Json document = Json::parse(json, nullptr, false);
  const bool is_plan = document.is_array() && !document.empty() && document[0].is_object() &&
                       document[0].contains("Plan");
  if (!is_plan) {
    return interrupted("explain", "the server's EXPLAIN could not be read",
                       "please report this, with the server's version");
  }
  QueryPlan plan;
  const Json& root = document[0]["Plan"];
  plan.shape = PlanReader(plan).read(root, {});
  if (root.is_object()) {
    PlanReader::add_texts(root, "Output", plan.output);
    plan.cost = number_at(root, "Total Cost");
    plan.rows = number_at(root, "Plan Rows");
  }
  return plan;
}

Result<QueryPlan> explain(Connection& connection, std::string_view how, std::string_view sql) {
  PGFANOUT_TRY_ASSIGN(const Rows rows, connection.query(fmt::format(
                                           "EXPLAIN ({}VERBOSE, FORMAT JSON) {}", how, sql)));
  return parse_plan(rows.text(0, 0));
}

}  // namespace pgfanout

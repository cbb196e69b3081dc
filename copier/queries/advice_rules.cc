#include "copier/queries/advice_rules.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "copier/base/lists.h"
#include "copier/catalog/relation_name.h"
#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

using Texts = std::vector<std::string>;

/// A column with no more values than that may be a condition of a partial index.
constexpr double kFewValues = 20;
/// Columns that INCLUDE may add.
constexpr std::size_t kMostIncluded = 3;

/// Without the names of tables before columns, which differ from leaf to leaf.
std::string without_alias(std::string_view sql) {
  const std::vector<SqlPiece> pieces = sql_pieces(sql);
  std::string text;
  for (std::size_t at = 0; at < pieces.size(); ++at) {
    const bool is_qualified = at + 2 < pieces.size() && pieces[at].is_name() &&
                              pieces[at + 1].is(".") && pieces[at + 2].is_name();
    const bool is_call = is_qualified && at + 3 < pieces.size() && pieces[at + 3].is("(");
    const bool is_type = at > 0 && pieces[at - 1].is(":");
    if (is_qualified && !is_call && !is_type) {
      ++at;
    } else {
      text += pieces[at].text;
    }
  }
  return text;
}

/// For comparisons: parentheses and blanks say nothing there.
std::string bare(std::string_view sql) {
  std::string text = without_alias(sql);
  std::erase_if(text, [](char c) { return c == '(' || c == ')' || c == ' '; });
  return text;
}

bool has(const Texts& texts, std::string_view wanted) {
  return std::ranges::any_of(texts,
                             [&](const std::string& text) { return bare(text) == bare(wanted); });
}

void add_new(Texts& to, std::string text) {
  if (!contains(to, text)) to.push_back(std::move(text));
}

/// By the name, or as SQL has it.
const Column* column_in(const AdviceFacts& facts, std::string_view name) {
  return find_where(facts.columns,
                    [&](const Column& at) { return at.quoted == name || at.name == name; });
}

std::string constant_condition(const Column& column, const PlanCondition& condition) {
  return fmt::format("{} = {}", column.quoted, condition.value);
}

/// A query's demands on the table, over all leaves that it reads. Items are columns, or expressions
/// in parentheses.
struct Wants {
  Texts equal;
  std::map<std::string, std::string> values;  ///< By column: what it is compared with by =.
  Texts range;
  Texts order;       ///< Items with DESC and the like.
  Texts predicates;  ///< IS NULL, booleans, constants that recur.
  Texts gin;         ///< With their operator classes.
  bool has_key = false;
  bool has_expression = false;
};

class PatternReader {
 public:
  PatternReader(const AdviceFacts& facts, const std::set<std::string>& recurring)
      : facts_(facts), recurring_(recurring) {}

  [[nodiscard]] Wants read(const QueryPlan& plan) {
    for (const PlanScan& scan : plan.scans) {
      if (!facts_.relations.contains(scan.relation)) continue;
      for (const PlanCondition& condition : scan.conditions) add(condition);
    }
    for (const std::string& key : plan.sort_keys) {
      const std::string item = without_alias(key);
      const std::vector<SqlPiece> pieces = sql_pieces(item);
      if (pieces.empty() || column_in(facts_, pieces.front().text) == nullptr) break;
      add_new(wants_.order, item);
    }
    return std::move(wants_);
  }

 private:
  void add(const PlanCondition& condition) {
    const std::string expression = without_alias(condition.expression);
    const bool is_key = !facts_.key.empty() && bare(expression) == bare(facts_.key);
    wants_.has_key = wants_.has_key || is_key;
    if (is_key) return;  // All rows of a leaf have the same one.
    const Column* own = column_in(facts_, condition.column);
    const std::string item = own != nullptr ? own->quoted : fmt::format("({})", expression);
    const std::string type = own != nullptr ? own->type_sql : "";
    const std::string& op = condition.op;
    if (op == "IS NULL" || op == "IS NOT NULL") {
      if (own != nullptr) add_new(wants_.predicates, fmt::format("{} {}", item, op));
    } else if (op.empty()) {
      const std::string of = expression.starts_with("NOT ") ? expression.substr(4) : expression;
      const Column* flag = column_in(facts_, bare(of));
      if (flag != nullptr && flag->type_sql == "boolean") add_new(wants_.predicates, expression);
    } else if (op == "=") {
      add_equal(item, own, condition);
    } else if (op == "<" || op == "<=" || op == ">" || op == ">=") {
      add_new(wants_.range, item);
    } else if (op == "@@") {
      add_new(wants_.gin, item);
    } else if (op == "@>" || op == "&&" || op == "?" || op == "?|" || op == "?&") {
      const bool is_path = op == "@>" && type == "jsonb";
      if (type == "jsonb" || type.ends_with("[]")) {
        add_new(wants_.gin, item + (is_path ? " jsonb_path_ops" : ""));
      }
    } else if ((op == "~~" || op == "~~*") && condition.value.starts_with("'%")) {
      if (facts_.has_trigrams) add_new(wants_.gin, item + " gin_trgm_ops");
    }
  }

  void add_equal(const std::string& item, const Column* own, const PlanCondition& condition) {
    if (own != nullptr) {
      const std::string constant = constant_condition(*own, condition);
      if (recurring_.contains(constant)) return add_new(wants_.predicates, constant);
      wants_.values.emplace(own->name, condition.value);
    } else if (condition.expression.find('(') == std::string::npos &&
               condition.expression.find("->") == std::string::npos) {
      return;  // A column of another relation, as in a join.
    }
    wants_.has_expression = wants_.has_expression || own == nullptr;
    add_new(wants_.equal, item);
  }

  const AdviceFacts& facts_;
  const std::set<std::string>& recurring_;
  Wants wants_;
};

/// Conditions "status = 'open'" on columns of few values that at least two queries have.
std::set<std::string> recurring_constants(const std::vector<AdvicePattern>& patterns,
                                          const AdviceFacts& facts) {
  std::map<std::string, std::set<std::string>> queries;
  for (const AdvicePattern& pattern : patterns) {
    for (const PlanScan& scan : pattern.plan.scans) {
      if (!facts.relations.contains(scan.relation)) continue;
      for (const PlanCondition& each : scan.conditions) {
        const Column* column = column_in(facts, each.column);
        const auto values = facts.distinct.find(each.column);
        if (each.op != "=" || !each.value.starts_with("'") || column == nullptr) continue;
        if (values == facts.distinct.end() || values->second > kFewValues) continue;
        queries[constant_condition(*column, each)].insert(pattern.query);
      }
    }
  }
  std::set<std::string> recurring;
  for (const auto& [condition, by] : queries) {
    if (by.size() > 1) recurring.insert(condition);
  }
  return recurring;
}

/// Advice from the wants of one query: a condition, a btree index, GIN indexes.
class Adviser {
 public:
  Adviser(const AdviceFacts& facts, const AdvicePattern& pattern, const Wants& wants)
      : facts_(facts), pattern_(pattern), wants_(wants) {}

  [[nodiscard]] std::vector<IndexAdvice> advise() {
    add_key_condition();
    add_btree();
    for (const std::string& item : wants_.gin) add_gin(item);
    return std::move(advice_);
  }

 private:
  void propose(std::string kind, std::string reason, std::string definition) {
    IndexAdvice advice;
    advice.query = pattern_.query;
    advice.kind = std::move(kind);
    advice.reason = std::move(reason);
    advice.definition = std::move(definition);
    advice_.push_back(std::move(advice));
  }

  /// A query by the key's inputs alone reads all leaves.
  void add_key_condition() {
    if (facts_.key.empty() || facts_.key_inputs.empty() || wants_.has_key || pattern_.gives_key) {
      return;
    }
    for (const std::string& input : facts_.key_inputs) {
      const auto given = wants_.values.find(input);
      if (given == wants_.values.end()) return;
      const char first = given->second.empty() ? '\0' : given->second.front();
      if (first != '\'' && !is_sql_digit(first) && (first != '$' || !pattern_.has_parameters))
        return;
    }
    std::string value;
    for (const SqlPiece& piece : sql_pieces(facts_.key_sql)) {
      const auto given = wants_.values.find(piece.name);
      value += piece.is_name() && given != wants_.values.end() ? given->second : piece.text;
    }
    propose(
        "key-condition",
        fmt::format("it gives {} without the key, so it reads every leaf; with this condition it "
                    "reads one",
                    fmt::join(facts_.key_inputs, ", ")),
        fmt::format("AND {} = {}", facts_.key, with_placeholder(value, "::text::text", "::text")));
  }

  void add_btree() {
    Texts then = wants_.order;
    if (then.empty() && !wants_.range.empty()) then = {wants_.range.front()};
    std::erase_if(then, [&](const std::string& item) { return has(wants_.equal, item); });
    const Texts& predicates = wants_.predicates;
    Texts items = wants_.equal;
    append(items, then);
    if (items.empty() && !predicates.empty() && !facts_.primary_key.empty()) {
      items.push_back(column_in(facts_, facts_.primary_key.front())->quoted);
    }
    const bool has_condition =
        !wants_.equal.empty() || !wants_.range.empty() || !predicates.empty();
    if (items.empty() || !has_condition || is_by_unique_key()) return;
    const Texts included = columns_to_include(items);
    if (is_covered(then, included)) return;
    const char* kind = !predicates.empty()     ? "partial"
                       : wants_.has_expression ? "expression"
                       : !included.empty()     ? "covering"
                       : items.size() > 1      ? "composite"
                                               : "single";
    std::string sql = fmt::format("CREATE INDEX {} ON {{table}} ({})", name_of(items, kind),
                                  fmt::join(items, ", "));
    if (!included.empty()) sql += fmt::format(" INCLUDE ({})", fmt::join(included, ", "));
    if (!predicates.empty()) sql += fmt::format(" WHERE {}", fmt::join(predicates, " AND "));
    propose(kind, reason_of(kind, then), std::move(sql));
  }

  [[nodiscard]] std::string reason_of(std::string_view kind, const Texts& then) const {
    if (kind == "partial") {
      return fmt::format("it wants rows with {} alone, and an index of these is small",
                         fmt::join(wants_.predicates, " AND "));
    }
    if (kind == "expression") {
      return "it compares an expression, which only an index over that expression finds";
    }
    if (kind == "covering") {
      return "it selects few columns, which the index answers without reading the table";
    }
    if (kind == "single") return "no index begins with the column that it compares";
    if (then.empty()) return "no index has all columns that it compares";
    return fmt::format("columns compared by = come first, then {}", fmt::join(then, ", "));
  }

  void add_gin(const std::string& item) {
    std::string what = item;
    for (const char* operators : {" gin_trgm_ops", " jsonb_path_ops"}) {
      if (what.ends_with(operators)) what.erase(what.size() - std::string_view(operators).size());
    }
    for (const KnownIndex& index : facts_.indexes) {
      if ((index.method == "gin" || index.method == "gist") && has(index.items, what)) return;
    }
    propose(
        "gin", fmt::format("a search in {} reads every row unless an index has its parts", what),
        fmt::format("CREATE INDEX {} ON {{table}} USING gin ({})", name_of({what}, "gin"), item));
  }

  /// A unique index finds the one row already.
  [[nodiscard]] bool is_by_unique_key() const {
    const auto is_given = [&](const std::string& item) {
      return bare(item) == bare(facts_.key) || has(wants_.equal, item);
    };
    return std::ranges::any_of(facts_.indexes, [&](const KnownIndex& index) {
      return index.is_unique && index.where.empty() && std::ranges::all_of(index.items, is_given);
    });
  }

  /// The result's columns beside the items, if they are few and narrow.
  [[nodiscard]] Texts columns_to_include(const Texts& items) const {
    constexpr std::string_view kNarrow[] = {"smallint", "integer", "bigint", "boolean",
                                            "uuid",     "date",    "real",   "double precision"};
    Texts included;
    for (const std::string& text : pattern_.plan.output) {
      const Column* column = column_in(facts_, without_alias(text));
      if (column == nullptr) return {};
      const bool is_item = std::ranges::any_of(items, [&](const std::string& item) {
        return item == column->quoted || item.starts_with(column->quoted + " ");
      });
      if (is_item || has(included, column->quoted)) continue;
      const bool is_narrow =
          column->type_sql.starts_with("timestamp") || contains(kNarrow, column->type_sql);
      if (!is_narrow || included.size() == kMostIncluded) return {};
      included.push_back(column->quoted);
    }
    return included;
  }

  /// Whether an index begins with the columns compared by =, in any order, and goes on with `then`.
  [[nodiscard]] bool is_covered(const Texts& then, const Texts& included) const {
    const std::string where = bare(fmt::format("{}", fmt::join(wants_.predicates, " AND ")));
    return std::ranges::any_of(facts_.indexes, [&](const KnownIndex& index) {
      if (index.method != "btree" || bare(index.where) != where) return false;
      const std::size_t equal = wants_.equal.size();
      if (index.items.size() < std::max<std::size_t>(1, equal + then.size())) return false;
      const Texts first(index.items.begin(),
                        index.items.begin() + static_cast<std::ptrdiff_t>(equal));
      const auto is_first = [&](const std::string& item) { return has(first, item); };
      if (!std::ranges::all_of(wants_.equal, is_first)) return false;
      for (std::size_t at = 0; at < then.size(); ++at) {
        if (bare(index.items[equal + at]) != bare(then[at].substr(0, then[at].find(" DESC")))) {
          return false;
        }
      }
      return std::ranges::all_of(included, [&](const std::string& name) {
        return has(index.items, name) || has(index.included, name);
      });
    });
  }

  /// "chunks_collection_id_created_at_idx", with a number where an index has that name.
  [[nodiscard]] std::string name_of(const Texts& items, std::string_view kind) const {
    std::string stem = facts_.table;
    for (const std::string& item : items) {
      for (const SqlPiece& word : sql_pieces(item)) {
        if (word.is_name() && column_in(facts_, word.name) != nullptr) stem += "_" + word.name;
      }
    }
    const char* ending = kind == "partial" ? "_part_idx" : kind == "gin" ? "_gin_idx" : "_idx";
    std::string name = suffixed_name(stem, ending);
    const auto is_taken = [&] { return contains(facts_.indexes, name, &KnownIndex::name); };
    for (int number = 1; is_taken(); ++number) {
      name = suffixed_name(stem, fmt::format("{}{}", ending, number));
    }
    return display_name(name) == name ? name : quoted_name(name);
  }

  const AdviceFacts& facts_;
  const AdvicePattern& pattern_;
  const Wants& wants_;
  std::vector<IndexAdvice> advice_;
};

const char* priority_of(double share) {
  constexpr double kHigh = 0.3;
  constexpr double kMedium = 0.1;
  return share >= kHigh ? "high" : share >= kMedium ? "medium" : "low";
}

}  // namespace

std::vector<IndexAdvice> advice_of(std::vector<AdvicePattern> patterns, const AdviceFacts& facts) {
  const std::set<std::string> recurring = recurring_constants(patterns, facts);
  std::vector<std::pair<double, IndexAdvice>> all;
  for (const AdvicePattern& pattern : patterns) {
    const Wants wants = PatternReader(facts, recurring).read(pattern.plan);
    for (IndexAdvice& advice : Adviser(facts, pattern, wants).advise()) {
      const auto known = std::ranges::find_if(
          all, [&](const auto& each) { return each.second.definition == advice.definition; });
      if (known == all.end()) {
        all.emplace_back(pattern.share, std::move(advice));
      } else {
        known->first += pattern.share;
        known->second.query += ", " + advice.query;
      }
    }
  }
  std::ranges::stable_sort(all, [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<IndexAdvice> advice;
  for (auto& [share, each] : all) {
    each.priority = priority_of(share);
    advice.push_back(std::move(each));
  }
  return advice;
}

std::vector<Issue> redundant_indexes(const std::vector<KnownIndex>& indexes,
                                     const std::string& table) {
  std::vector<Issue> issues;
  for (std::size_t at = 0; at < indexes.size(); ++at) {
    const KnownIndex& index = indexes[at];
    if (index.is_unique || index.is_needed || index.method != "btree") continue;
    const auto stands_in = [&](const KnownIndex& other) {
      const bool begins = &other != &index && other.method == "btree" &&
                          other.where == index.where && other.items.size() >= index.items.size() &&
                          std::equal(index.items.begin(), index.items.end(), other.items.begin());
      // Of two that are equal the later one is told.
      const bool is_twin = other.items.size() == index.items.size() &&
                           other.included == index.included && !other.is_unique &&
                           !other.is_needed && &other > &index;
      return begins && !is_twin &&
             std::ranges::all_of(index.included, [&](const std::string& name) {
               return has(other.items, name) || has(other.included, name);
             });
    };
    const auto other = std::ranges::find_if(indexes, stands_in);
    if (other == indexes.end()) continue;
    issues.push_back(
        {Severity::info, "index-redundant",
         fmt::format("index {} has the first columns of index {}, which queries can use instead",
                     display_name(index.name), display_name(other->name)),
         table, "if nothing else needs it, drop it; pgfanout never does"});
  }
  return issues;
}

}  // namespace pgfanout

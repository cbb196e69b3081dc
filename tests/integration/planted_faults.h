// Faults that tests plant in copies of tables, and what a verification has to say about each. What
// is expected is worked out from the plants alone, never from anything that the verification
// prints.
#pragma once

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/integration/copy_fixture.h"

namespace pgfanout::testing {

/// "changed 17 [note,title] public.t_new_p7": what is wrong with the row of that id, and the leaf
/// of the target that it stands in; for a missing row that of the source.
using Findings = std::multiset<std::string>;

/// A source and a copy of it, with the columns of kColumns (the source without `derived`).
struct PlantedShape {
  std::string source = "public.t";
  std::string target = "public.t_new";
  std::vector<std::string> identity;   ///< Columns; none: rows are told apart by all they hold.
  std::vector<std::string> arguments;  ///< For verify, besides the table and the mapping.
  int keys = 0;              ///< Leaves are <target>_p0 to _p9 at most; 0: not laid out by a key.
  bool can_be_null = false;  ///< The target's identity columns.
};

struct Fault {
  enum class Needs { nothing, key, identity, nullable_identity };
  std::string name;
  std::string sql;      ///< {t}, {s}: target, source. {ids}: the rows' ids. {keys}: how many.
  std::string kind;     ///< Empty: no difference. "moved": missing, and extra under another id.
  std::string columns;  ///< That changed; sorted, as in "note,title".
  Needs needs = Needs::nothing;
  bool is_in_next_leaf = false;  ///< Afterwards: the leaf of the next key.
};

/// Rows of the ids whose leaf may not hold them: the server's own checks are off meanwhile.
inline std::string unchecked(const std::string& statements) {
  return "DO $$ DECLARE r record; BEGIN"
         " UPDATE pg_class SET relispartition = false"
         " WHERE oid IN (SELECT relid FROM pg_partition_tree('{t}') WHERE isleaf);"
         " FOR r IN SELECT id, tableoid::regclass AS leaf, partition_key AS key FROM {t}"
         " WHERE id IN ({ids}) LOOP " +
         statements +
         " END LOOP; UPDATE pg_class SET relispartition = true"
         " WHERE oid IN (SELECT relid FROM pg_partition_tree('{t}') WHERE isleaf); END $$";
}

inline std::vector<Fault> all_faults() {
  using Needs = Fault::Needs;
  const std::string update = "UPDATE {t} SET ";
  const std::string rows = " WHERE id IN ({ids})";
  return {
      {"one bit", update + "bits = set_bit(bits, id % 64, 1 - get_bit(bits, id % 64))" + rows,
       "changed", "bits"},
      {"lost row", "DELETE FROM {t}" + rows, "missing", ""},
      {"row twice", "INSERT INTO {t} SELECT * FROM {t}" + rows, "extra", ""},
      {"values swapped",
       "UPDATE {t} AS t SET note = p.note FROM (SELECT id, CASE WHEN row_number() OVER w % 2 = 1"
       " THEN lead(note) OVER w ELSE lag(note) OVER w END AS note FROM {t}" +
           rows + " WINDOW w AS (ORDER BY id)) AS p WHERE t.id = p.id",
       "changed", "note"},
      {"NULL for empty", update + "title = CASE WHEN title IS NULL THEN '' END" + rows, "changed",
       "title"},
      {"trailing blank", update + "note = note || ' '" + rows, "changed", "note"},
      {"numeric scale", update + "amount = (amount || '0')::numeric" + rows, "changed", "amount"},
      {"minus zero", update + "zero = '-0'" + rows, "changed", "zero"},
      {"not a number", update + "zero = 'NaN'" + rows, "changed", "zero"},
      {"one microsecond", update + "seen = seen + interval '1 microsecond'" + rows, "changed",
       "seen"},
      {"order in json", update + "raw = '{\"a\":2,\"b\":1}'" + rows, "changed", "raw"},
      {"two columns", update + "title = 'x', bits = NULL" + rows, "changed", "bits,title"},
      {"mapped column", update + "derived = upper(derived)" + rows, "changed", "derived"},
      {"source changed", "UPDATE {s} SET note = 'other'" + rows, "changed", "note"},
      {"source of a mapping changed", "UPDATE {s} SET stamp = stamp + 1" + rows, "changed",
       "derived,stamp"},
      {"source lost a row", "DELETE FROM {s}" + rows, "extra", ""},
      {"other identity", update + "id = id + 1000000, name = name || '+1000000'" + rows, "moved",
       "", Needs::identity},
      {"no identity", update + "id = NULL, name = NULL" + rows, "moved", "",
       Needs::nullable_identity},
      {"wrong leaf",
       unchecked("EXECUTE format('INSERT INTO %s_p%s SELECT * FROM %s WHERE id = %s', '{t}',"
                 " (r.key + 1) % {keys}, r.leaf, r.id);"
                 " EXECUTE format('DELETE FROM %s WHERE id = %s', r.leaf, r.id);"),
       "misplaced", "", Needs::key, true},
      {"changed in a wrong leaf",
       unchecked("EXECUTE format('INSERT INTO %s_p%s SELECT * FROM %s WHERE id = %s', '{t}',"
                 " (r.key + 1) % {keys}, r.leaf, r.id);"
                 " EXECUTE format('DELETE FROM %s WHERE id = %s', r.leaf, r.id);"
                 " UPDATE {t} SET note = 'other' WHERE id = r.id;"),
       "changed", "note", Needs::key, true},
      {"copy in a wrong leaf",
       unchecked("EXECUTE format('INSERT INTO %s_p%s SELECT * FROM %s WHERE id = %s', '{t}',"
                 " (r.key + 1) % {keys}, r.leaf, r.id);"),
       "extra", "", Needs::key, true},
      {"changed under a wrong key",
       update + "note = note || '?', partition_key = (partition_key + 1) % {keys}" + rows,
       "changed", "note", Needs::key, true},
      {"wrong key",
       unchecked("EXECUTE format('UPDATE %s SET partition_key = (partition_key + 1) %% {keys}"
                 " WHERE id = %s', r.leaf, r.id);"),
       "misplaced", "", Needs::key},
      {"wrong key and its leaf", update + "partition_key = (partition_key + 1) % {keys}" + rows,
       "misplaced", "", Needs::key, true},
      {"order in jsonb", update + "meta = '{\"a\": 2,   \"b\": 1}'" + rows, "", ""},
      {"blanks in char(n)", update + "code = code || '  '" + rows, "", ""},
      {"written anew", update + "note = note" + rows, "", ""},
  };
}

/// Source and target are in one database.
class PlantedFaults {
 public:
  PlantedFaults(const PlantedShape& shape, harness::Session session, unsigned seed)
      : shape_(shape), session_(std::move(session)), random_(seed) {
    const std::string where = "(SELECT 'public.' || tableoid::regclass AS leaf, * FROM ";
    for (const auto& row : session_.rows("SELECT id, leaf FROM " + where + shape_.target + ") t")) {
      target_leaf_[*row[0]] = *row[1];
    }
    for (const auto& row : session_.rows("SELECT id, min(leaf), count(*) FROM " + where +
                                         shape_.source + ") t GROUP BY id ORDER BY id")) {
      source_leaf_[*row[0]] = *row[1];
      (*row[2] == "1" ? single_ : double_).push_back(*row[0]);
    }
    std::shuffle(single_.begin(), single_.end(), random_);
    std::shuffle(double_.begin(), double_.end(), random_);
    allow_wrong_keys();
  }

  /// Each fault in `count` rows of its own, an even number.
  void plant(int count) {
    for (const Fault& fault : all_faults()) {
      if (is_possible(fault)) plant(fault, take(single_, count));
    }
    if (double_.empty()) return;
    const std::vector<std::string> pairs = take(double_, count);
    run({"equal rows lost", "DELETE FROM {t} WHERE id IN ({ids})", "", ""}, pairs);
    for (const std::string& id : pairs) {
      for (int copy = 0; copy < 2; ++copy) expect("missing", id, "", source_leaf_.at(id));
    }
  }

  [[nodiscard]] const Findings& expected() const { return expected_; }
  [[nodiscard]] std::size_t count(const std::string& kind) const {
    return static_cast<std::size_t>(
        std::count_if(expected_.begin(), expected_.end(),
                      [&](const std::string& finding) { return finding.starts_with(kind + " "); }));
  }

  /// The findings of the document, with rows looked up by the addresses that it gives. Fails the
  /// test where an address or an identity is not that of the row.
  Findings named_in(const Json& document) {
    const auto source = rows_by_address(shape_.source);
    const auto target = rows_by_address(shape_.target);
    Findings named;
    for (const Json& row : document["differences"]["rows"]) {
      const std::string kind = row["kind"];
      const bool is_missing = kind == "missing";
      const std::string address = row[is_missing ? "source" : "target"];
      const auto& side = is_missing ? source : target;
      const auto found = side.find(address);
      EXPECT_NE(found, side.end()) << row;
      if (found == side.end()) continue;
      EXPECT_EQ(row["identity"], found->second.identity) << row;
      if (kind == "changed") {
        EXPECT_EQ(source.at(row["source"]).id, found->second.id) << row;
      }
      std::vector<std::string> columns = row.value("columns", std::vector<std::string>());
      std::sort(columns.begin(), columns.end());
      named.insert(
          finding(kind, found->second.id, join(columns), address.substr(0, address.find(' '))));
    }
    return named;
  }

  /// Where the rows stand that are as they were copied, by id.
  std::map<std::string, std::string> untouched() {
    std::map<std::string, std::string> places;
    for (const auto& row : session_.rows("SELECT id, tableoid::regclass || ' ' || ctid FROM " +
                                         shape_.target + " WHERE id < 1000000")) {
      if (!planted_.contains(*row[0])) places[*row[0]] = *row[1];
    }
    return places;
  }

 private:
  struct Row {
    std::string id;
    Json identity;
  };

  /// The copy's leaves check that the stored key is right.
  void allow_wrong_keys() {
    session_.execute(
        "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname, conrelid::regclass AS rel FROM"
        " pg_constraint WHERE contype = 'c' AND conislocal AND conrelid IN (SELECT '" +
        shape_.target + "'::regclass UNION ALL SELECT relid FROM pg_partition_tree('" +
        shape_.target +
        "')) LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I', c.rel, c.conname);"
        " END LOOP; END $$");
  }

  [[nodiscard]] bool is_possible(const Fault& fault) const {
    switch (fault.needs) {
      case Fault::Needs::nothing:
        return true;
      case Fault::Needs::key:
        return shape_.keys > 0;
      case Fault::Needs::identity:
        return !shape_.identity.empty();
      case Fault::Needs::nullable_identity:
        return shape_.can_be_null;
    }
    return false;
  }

  static std::vector<std::string> take(std::vector<std::string>& from, int count) {
    std::vector<std::string> ids(from.end() - count, from.end());
    from.resize(from.size() - ids.size());
    return ids;
  }

  void plant(const Fault& fault, const std::vector<std::string>& ids) {
    run(fault, ids);
    for (std::size_t at = 0; at < ids.size(); ++at) {
      const std::string& id = ids[at];
      if (fault.kind == "moved") {
        expect("missing", id, "", source_leaf_.at(id));
        const bool is_null = fault.needs == Fault::Needs::nullable_identity;
        expected_.insert(finding("extra",
                                 is_null ? "NULL" : std::to_string(std::stol(id) + 1000000), "",
                                 target_leaf_.at(id)));
      } else if (fault.kind == "missing") {
        expect("missing", id, "", source_leaf_.at(id));
      } else if (fault.kind == "changed" && shape_.identity.empty()) {
        expect("missing", id, "", source_leaf_.at(id));
        expect("extra", id, "", leaf_after(fault, id));
      } else if (!fault.kind.empty()) {
        expect(fault.kind, id, fault.columns, leaf_after(fault, id));
      }
    }
  }

  void run(const Fault& fault, const std::vector<std::string>& ids) {
    std::string sql = fault.sql;
    const auto put = [&](const std::string& place, const std::string& text) {
      for (auto at = sql.find(place); at != std::string::npos; at = sql.find(place, at)) {
        sql.replace(at, place.size(), text);
      }
    };
    put("{t}", shape_.target);
    put("{s}", shape_.source);
    put("{ids}", join(ids));
    put("{keys}", std::to_string(shape_.keys));
    session_.execute(sql);
  }

  [[nodiscard]] std::string leaf_after(const Fault& fault, const std::string& id) const {
    const std::string& leaf = target_leaf_.at(id);
    return fault.is_in_next_leaf ? next_leaf(leaf) : leaf;
  }
  /// The leaf of the next key.
  [[nodiscard]] std::string next_leaf(const std::string& leaf) const {
    const int key = (leaf.back() - '0' + 1) % shape_.keys;
    return leaf.substr(0, leaf.size() - 1) + std::to_string(key);
  }

  void expect(const std::string& kind, const std::string& id, const std::string& columns,
              const std::string& leaf) {
    expected_.insert(finding(kind, id, columns, leaf));
    planted_.insert(id);
  }

  static std::string finding(const std::string& kind, const std::string& id,
                             const std::string& columns, const std::string& leaf) {
    return kind + " " + id + " [" + columns + "] " + leaf;
  }

  static std::string join(const std::vector<std::string>& parts) {
    std::string text;
    for (const std::string& part : parts) text += (text.empty() ? "" : ",") + part;
    return text;
  }

  std::map<std::string, Row> rows_by_address(const std::string& table) {
    std::string identity;
    for (const std::string& column : shape_.identity)
      identity += ", to_jsonb(" + column + ")::text";
    std::map<std::string, Row> rows;
    for (const auto& row :
         session_.rows("SELECT 'public.' || tableoid::regclass || ' ' || ctid, id" + identity +
                       " FROM " + table)) {
      Json named = Json::object();
      for (std::size_t at = 0; at < shape_.identity.size(); ++at) {
        named[shape_.identity[at]] = Json::parse(row[2 + at].value_or("null"));
      }
      rows[*row[0]] = {row[1].value_or("NULL"), named};
    }
    return rows;
  }

  const PlantedShape shape_;
  harness::Session session_;
  std::mt19937 random_;
  std::vector<std::string> single_;  // Ids of rows that nothing was planted in yet.
  std::vector<std::string> double_;  // The same, of rows that the source has twice.
  std::map<std::string, std::string> source_leaf_;
  std::map<std::string, std::string> target_leaf_;
  std::set<std::string> planted_;
  Findings expected_;
};

}  // namespace pgfanout::testing

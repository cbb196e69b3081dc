#include "copier/key/key_proof.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>

#include "copier/key/key_oracle.h"
#include "copier/key/key_sample.h"

namespace pgfanout {
namespace {

constexpr std::size_t kExamples = 5;
constexpr std::size_t kShownBytes = 60;
constexpr std::uint64_t kRandomBatch = 1000;

class Comparison {
 public:
  Comparison(const Table& table, const KeyExpression& key, KeyProof& proof)
      : table_(table), key_(key), types_(used_types(table, key)), proof_(proof) {}

  void add(const std::vector<ProbeRow>& rows, const std::vector<KeyOutcome>& client,
           const std::vector<KeyOutcome>& server) {
    for (std::size_t row = 0; row < rows.size(); ++row) {
      ++proof_.compared;
      if (client[row] == server[row]) continue;
      ++proof_.disagreements;
      if (proof_.examples.size() < kExamples) {
        proof_.examples.push_back(fmt::format("{}: pgfanout says {}, the server says {}",
                                              text_of(rows[row]), describe(client[row]),
                                              describe(server[row])));
      }
    }
  }

 private:
  /// "collection_id='abc', n=7", printable whatever the values.
  [[nodiscard]] std::string text_of(const ProbeRow& row) const {
    std::string text;
    for (std::size_t column = 0; column < row.size(); ++column) {
      text += fmt::format("{}{}=", column == 0 ? "" : ", ",
                          table_.columns[key_.used_columns()[column]].quoted);
      text += row[column] ? printable(probe_text(types_[column], *row[column])) : "NULL";
    }
    return text;
  }

  static std::string printable(const std::string& value) {
    std::string text = "'";
    for (const char byte : value.substr(0, kShownBytes)) {
      const auto code = static_cast<unsigned char>(byte);
      if (code < 0x20 || code >= 0x7f) {
        text += fmt::format("\\x{:02x}", code);
      } else {
        text += byte;
      }
    }
    return text + (value.size() > kShownBytes ? "...'" : "'");
  }

  const Table& table_;
  const KeyExpression& key_;
  const std::vector<KeyType> types_;
  KeyProof& proof_;
};

}  // namespace

Result<KeyProof> compare_keys(Connection& source, const Table& table, const KeyExpression& key,
                              std::uint64_t count, std::uint64_t seed,
                              const Cancellation* cancellation) {
  PGFANOUT_TRY_ASSIGN(KeyOracle oracle, KeyOracle::make(source, table, key));
  const std::vector<KeyType> types = used_types(table, key);
  std::mt19937_64 random(seed);
  KeyProof proof;
  Comparison comparison(table, key, proof);
  const auto ask = [&](const std::vector<ProbeRow>& rows) -> Result<void> {
    const std::vector<KeyOutcome> client = evaluate_rows(key, rows);
    PGFANOUT_TRY_ASSIGN(const std::vector<KeyOutcome> server, oracle.ask(rows, client));
    comparison.add(rows, client, server);
    return {};
  };

  PGFANOUT_TRY_ASSIGN(const KeySample sample, sample_table(oracle, table, key, count, random));
  comparison.add(sample.rows, evaluate_rows(key, sample.rows), sample.server);
  PGFANOUT_TRY(ask(adversarial_rows(types, source.encoding(), random)));
  for (std::uint64_t done = 0; done < count; done += kRandomBatch) {
    if (cancellation != nullptr && cancellation->is_set()) {
      return interrupted("cancelled", "stopped on request");
    }
    std::vector<ProbeRow> rows;
    for (std::uint64_t row = done; row < std::min(done + kRandomBatch, count); ++row) {
      ProbeRow values;
      for (const KeyType type : types) values.push_back(random_value(type, random));
      rows.push_back(std::move(values));
    }
    PGFANOUT_TRY(ask(rows));
  }
  return proof;
}

Result<KeyProof> prove_key(Connection& source, const Table& table, const KeyExpression& key,
                           std::uint64_t count, std::uint64_t seed) {
  PGFANOUT_TRY_ASSIGN(KeyProof proof, compare_keys(source, table, key, count, seed));
  if (proof.disagreements == 0) return proof;
  return refused(
      "key-disagrees",
      fmt::format("pgfanout and the server disagree on the key {} for {} of {} values: {}",
                  key.sql(), proof.disagreements, proof.compared, proof.examples.front()),
      "a server on a big-endian machine hashes otherwise and is not supported; in all other cases "
      "please report this expression",
      table.qualified);
}

}  // namespace pgfanout

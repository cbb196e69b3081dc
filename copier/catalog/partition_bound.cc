#include "copier/catalog/partition_bound.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace pgfanout {
namespace {

/// Takes the bound's parts from the front of its text.
class BoundReader {
 public:
  explicit BoundReader(std::string_view text) : rest_(text) {}

  bool take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  bool take(std::uint32_t& number) {
    const char* end = rest_.data() + rest_.size();
    const auto [behind, error] = std::from_chars(rest_.data(), end, number);
    rest_.remove_prefix(static_cast<std::size_t>(behind - rest_.data()));
    return error == std::errc();
  }

  /// "(1, 'it''s', NULL)": one value at least.
  bool take(std::vector<BoundValue>& list) {
    if (!take("(")) return false;
    do {
      if (!take(list.emplace_back())) return false;
    } while (take(", "));
    return take(")");
  }

  [[nodiscard]] bool at_end() const { return rest_.empty(); }

 private:
  bool take(BoundValue& value) {
    // A bit string is the only constant whose quotes have a prefix.
    if (rest_.starts_with('\'') || rest_.starts_with("B'")) {
      rest_.remove_prefix(rest_.find('\'') + 1);
      return take_quoted(value.text);
    }
    const std::size_t end = std::min(rest_.find_first_of(",)( ':"), rest_.size());
    value.text = rest_.substr(0, end);
    rest_.remove_prefix(end);
    if (value.text == "NULL") value = {BoundValue::Kind::null, ""};
    if (value.text == "MINVALUE") value = {BoundValue::Kind::minimum, ""};
    if (value.text == "MAXVALUE") value = {BoundValue::Kind::maximum, ""};
    return end > 0;
  }

  /// Behind the opening quote, up to the closing one.
  bool take_quoted(std::string& text) {
    while (!rest_.empty()) {
      const std::size_t quote = rest_.find('\'');
      if (quote == std::string_view::npos) return false;
      text += rest_.substr(0, quote);
      rest_.remove_prefix(quote + 1);
      if (!take("'")) return true;
      text += '\'';
    }
    return false;
  }

  std::string_view rest_;
};

bool read(BoundReader& reader, PartitionBound& bound) {
  using Kind = PartitionBound::Kind;
  if (reader.take("DEFAULT")) return true;
  if (reader.take("FOR VALUES IN ")) {
    bound.kind = Kind::list;
    return reader.take(bound.values);
  }
  if (reader.take("FOR VALUES FROM ")) {
    bound.kind = Kind::range;
    return reader.take(bound.from) && reader.take(" TO ") && reader.take(bound.to) &&
           bound.from.size() == bound.to.size();
  }
  bound.kind = Kind::hash;
  return reader.take("FOR VALUES WITH (modulus ") && reader.take(bound.modulus) &&
         reader.take(", remainder ") && reader.take(bound.remainder) && reader.take(")") &&
         bound.remainder < bound.modulus;
}

}  // namespace

Result<PartitionBound> parse_partition_bound(std::string_view bound) {
  PartitionBound parsed;
  BoundReader reader(bound);
  if (read(reader, parsed) && reader.at_end()) return parsed;
  return refused("bad-bound", fmt::format("the bound \"{}\" cannot be read", bound),
                 "report this bound and the version of the server");
}

}  // namespace pgfanout

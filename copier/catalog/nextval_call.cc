#include "copier/catalog/nextval_call.h"

#include <algorithm>
#include <vector>

#include "copier/catalog/sql_text.h"

namespace pgfanout {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char byte) {
    return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
  });
  return text;
}

/// Walks over the pieces that mean something.
class Reader {
 public:
  explicit Reader(std::string_view sql) {
    for (SqlPiece& piece : sql_pieces(sql)) {
      if (piece.kind != SqlPieceKind::blank) pieces_.push_back(std::move(piece));
    }
  }

  std::optional<std::string> read() {
    std::size_t open = 0;
    while (takes("(")) ++open;
    if (takes_name("pg_catalog") && !takes(".")) return std::nullopt;
    if (!takes_name("nextval") || !takes("(")) return std::nullopt;
    if (at_ >= pieces_.size() || pieces_[at_].kind != SqlPieceKind::literal) return std::nullopt;
    std::string literal = pieces_[at_++].text;
    if (literal.find('\'') == std::string::npos && !literal.starts_with('$')) return std::nullopt;
    if (!skip_casts() || !takes(")") || !skip_casts()) return std::nullopt;
    for (; open > 0; --open) {
      if (!takes(")") || !skip_casts()) return std::nullopt;
    }
    if (at_ != pieces_.size()) return std::nullopt;
    return literal;
  }

 private:
  bool takes(std::string_view symbol) {
    if (at_ >= pieces_.size() || pieces_[at_].kind != SqlPieceKind::symbol) return false;
    if (pieces_[at_].text != symbol) return false;
    ++at_;
    return true;
  }

  bool takes_name(std::string_view name) {
    if (at_ >= pieces_.size() || pieces_[at_].kind != SqlPieceKind::name) return false;
    if (lower(pieces_[at_].name) != name) return false;
    ++at_;
    return true;
  }

  /// "::schema.type" any number of times; types with parameters are not understood.
  bool skip_casts() {
    while (takes(":")) {
      if (!takes(":")) return false;
      do {
        if (at_ >= pieces_.size()) return false;
        const SqlPieceKind kind = pieces_[at_].kind;
        if (kind != SqlPieceKind::name && kind != SqlPieceKind::quoted_name) return false;
        ++at_;
      } while (takes("."));
    }
    return true;
  }

  std::vector<SqlPiece> pieces_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::string> nextval_literal(std::string_view sql) {
  return Reader(sql).read();
}

}  // namespace pgfanout

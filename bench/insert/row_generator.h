// The rows that are inserted: the same for every machine, from a number alone.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "bench/insert/insert_case.h"

namespace pgfanout::bench {

/// Columns of a row without the key, in the order of the table.
inline constexpr std::array<const char*, 6> kColumns = {
    "id", "collection_id", "document_id", "chunk_index", "content", "created_at"};
/// Column whose value decides the key.
inline constexpr std::uint16_t kKeyField = 1;

struct Row {
  using Uuid = std::array<std::uint8_t, 16>;
  Uuid id{};
  Uuid collection_id{};  ///< One of 5,000.
  Uuid document_id{};
  std::int32_t chunk_index = 0;
  std::string content;
  std::int64_t created_at = 0;  ///< Whole seconds since 2000-01-01 00:00 UTC.
};

/// Characters of the content: 16, 360 or 8000. The widest does not compress and goes to TOAST.
[[nodiscard]] std::uint32_t content_bytes(Width width);

[[nodiscard]] Row make_row(std::uint64_t number, Width width);

/// Appends the fields as binary COPY carries them, each with its length word.
void append_fields(const Row& row, std::string& to);

/// Appends the fields in COPY's text format, without the end of the line. No value needs an escape.
void append_text(const Row& row, std::string& to);

}  // namespace pgfanout::bench

// Builds binary COPY streams, batches and layouts for tests of the stages, without a server.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "copier/base/byte_order.h"
#include "copier/columns/row_layout.h"
#include "copier/stage/range_reader.h"
#include "copier/stage/row_batch.h"
#include "copier/wire/encoder.h"

namespace pgfanout::testing {

using Field = std::optional<std::string>;

inline std::string int4(std::int32_t value) {
  std::string bytes(4, '\0');
  store_be32(reinterpret_cast<std::uint8_t*>(bytes.data()), static_cast<std::uint32_t>(value));
  return bytes;
}

inline std::string copy_row(const std::vector<Field>& fields) {
  std::string row(2, '\0');
  store_be16(reinterpret_cast<std::uint8_t*>(row.data()),
             static_cast<std::uint16_t>(fields.size()));
  for (const Field& field : fields) {
    row += int4(field ? static_cast<std::int32_t>(field->size()) : -1);
    if (field) row += *field;
  }
  return row;
}

inline std::string header_text() {
  return std::string(as_text(copy_header()));
}
inline std::string trailer_text() {
  return std::string(as_text(copy_trailer()));
}

/// A whole range in one batch.
inline RowBatch batch_of(const std::vector<std::string>& rows, std::uint32_t range = 0) {
  std::string stream = header_text();
  for (const std::string& row : rows) stream += row;
  stream += trailer_text();
  RowBatch batch;
  batch.range = range;
  batch.is_first = true;
  batch.is_last = true;
  batch.expected_rows = rows.size();
  batch.bytes = Buffer(stream.size());
  batch.bytes.append(as_bytes(stream));
  return batch;
}

/// Reads a range to its end, as the pipeline does. Returns the reader's count of rows.
inline Result<std::uint64_t> read_all(RangeReader& reader,
                                      const std::function<void(RowBatch)>& take) {
  while (true) {
    PGFANOUT_TRY_ASSIGN(std::optional<RowBatch> batch, reader.next());
    if (!batch) return std::uint64_t{reader.rows()};
    take(*std::move(batch));
  }
}

/// Rows of (int4 id, text name); the key is over the name.
inline RowLayout id_name_layout() {
  RowLayout layout;
  layout.fields = 2;
  layout.copied = 2;
  layout.digested = 2;
  layout.key_fields = {1};
  layout.written_key = KeyField::int4;
  return layout;
}

inline KeyExpression name_key(const std::string& sql = "abs(hashtext(name)) % 100") {
  const KeyColumn columns[] = {{"name", KeyType::text, "text"}};
  auto key = KeyExpression::compile(sql, columns);
  if (!key) throw std::runtime_error(key.error().message);
  return *std::move(key);
}

}  // namespace pgfanout::testing

// The graph that both the copy and the read-back run: read -> decode -> hash -> hand over.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "copier/base/memory_budget.h"
#include "copier/base/stop.h"
#include "copier/catalog/source_range.h"
#include "copier/stage/range_reader.h"
#include "copier/stage/range_source.h"
#include "copier/stage/row_fields.h"
#include "hashing/key_expression.h"

namespace pgfanout {

struct RowStream {
  const std::vector<SourceRange>& ranges;
  std::span<const std::unique_ptr<RangeSource>> sources;  ///< One a reader thread.
  const RowFields& fields;
  const KeyExpression& key;
  RangeReader& reader;  ///< Its read() is called concurrently, once a range.
  /// The last stage: takes a hashed batch. Called concurrently.
  std::function<Result<void>(const RowBatch&)> hand_over;
  /// Called on a reader's thread when a range has been read to its end.
  std::function<void(std::uint32_t range, std::uint64_t rows)> range_done;
  std::optional<std::uint32_t> epoch = {};  ///< Only its ranges; absent: all.
};

/// Streams the ranges and waits until every batch was handed over, or until `stop` is set: the
/// first error of any stage goes there.
void run_row_stream(RowStream stream, Stop& stop);

/// Bytes a reader's batch holds, for a budget shared by `readers`.
[[nodiscard]] std::size_t read_batch_bytes(std::uint64_t budget_bytes, std::size_t readers);

}  // namespace pgfanout

// Whether the sequences that number a table's rows are ahead of the numbers that it holds.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "copier/catalog/table.h"
#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct SequencePosition {
  std::string column;    ///< Unquoted.
  std::string sequence;  ///< Qualified, quoted.
  bool is_known = false;
  bool is_behind = false;
  std::string edge;  ///< The column's last number in the sequence's direction and bounds.
};

/// Of columns of integers or numeric that draw from a sequence and from nothing else: identity, or
/// a default that is a bare nextval(). What an expression makes of a number cannot be compared, and
/// a sequence that cycles repeats numbers on purpose. By the columns' order; each lookup takes no
/// longer than `patience` (0: for ever), and is not known then.
Result<std::vector<SequencePosition>> read_sequence_positions(Connection& connection,
                                                              const Table& table,
                                                              std::chrono::milliseconds patience);

}  // namespace pgfanout

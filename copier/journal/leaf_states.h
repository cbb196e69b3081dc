// Puts the leaves of a job whose copy is done on the board that people look at.
#pragma once

#include <string>

#include "copier/pg/connection.h"
#include "pgfanout/leaf_board.h"

namespace pgfanout {

/// Names and rows by the journal's leaf_load, all in `state`. What cannot be read is not shown.
void show_copied_leaves(Connection& target, const std::string& job, LeafState state,
                        LeafBoard& board);

}  // namespace pgfanout

// The SQL that makes a new target: a parent partitioned by LIST, leaves that are loaded while they
// stand alone, and what attaches them without another scan.
#pragma once

#include <string>
#include <vector>

#include "copier/columns/column_plan.h"
#include "copier/plan/copy_plan.h"
#include "copier/plan/sequence_plan.h"
#include "hashing/key_expression.h"
#include "pgfanout/job.h"

namespace pgfanout {

/// How the leaves are stored, where all leaves of the source agree on it.
struct LeafStorage {
  std::string options;     ///< "fillfactor = '70'", or empty.
  std::string tablespace;  ///< Quoted; empty: the default.
};

/// A name that is not there yet, as SQL and messages need it.
struct NewRelation {
  std::string name;
  std::string qualified;
};

struct NewTarget {
  KeyMode mode = KeyMode::check;
  NewRelation parent;
  std::vector<NewRelation> leaves;  ///< Leaf i takes key i.
  const ColumnPlan* columns = nullptr;
  const SequencePlan* sequences = nullptr;
  KeyType key_type = KeyType::int4;
  std::string key_sql;  ///< Qualified, over the target's columns.
  bool key_inputs_are_not_null = true;
  LeafStorage storage;
  int server_version = 0;
};

[[nodiscard]] TargetDdl target_ddl(const NewTarget& target);

/// The leaf's name for a key of `partitions`: "chunks_new_p07".
[[nodiscard]] std::string leaf_name(std::string_view target, std::uint32_t key,
                                    std::uint32_t partitions);

}  // namespace pgfanout

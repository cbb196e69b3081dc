// CPU and memory of a server's host: through the server where the role may read its files, else
// from this host where the server is beyond doubt on it.
#pragma once

#include <optional>
#include <string>

#include "copier/pg/connection.h"
#include "copier/watch/proc_figures.h"
#include "pgfanout/result.h"

namespace pgfanout {

struct HostFigures {
  std::optional<double> cpu;     ///< Percent, since the look before.
  std::optional<double> memory;  ///< Percent.
};

class HostLook {
 public:
  /// Finds the way. `is_here`: the server's files are this host's.
  static Result<HostLook> open(Connection& connection, bool is_here);
  /// Empty, or why nothing can be measured and what to grant.
  [[nodiscard]] const std::string& unmeasurable() const { return unmeasurable_; }
  Result<HostFigures> look(Connection& connection);

 private:
  enum class Way { none, server, here };
  Way way_ = Way::none;
  std::string unmeasurable_;
  CpuMeter cpu_;
};

}  // namespace pgfanout

// The metrics by name. docs/METRICS.md lists them; a test compares the two.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

#include "copier/report/metrics/metrics_state.h"

namespace pgfanout {

/// In the order of docs/METRICS.md. Families without a sample at this moment are left out.
[[nodiscard]] std::vector<prometheus::MetricFamily> metric_families(const MetricsSnapshot& now);

}  // namespace pgfanout

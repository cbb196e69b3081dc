// The facts that every measurement needs beside it: the machine, and the server and its settings.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/insert/bench_server.h"
#include "pgfanout/result.h"

namespace pgfanout::bench {

/// Names and values, in a fixed order.
using Facts = std::vector<std::pair<std::string, std::string>>;

/// Processor, cores, memory, kernel of this host.
[[nodiscard]] Facts machine_facts();

/// The server's version, and its settings that are not the default. Text settings are left out but
/// for a few: they may hold paths, addresses and passwords.
Result<Facts> server_facts(BenchServer& server);

}  // namespace pgfanout::bench

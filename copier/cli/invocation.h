// A parsed command line: which command, on which job, with which output. Plain data.
#pragma once

#include <string>
#include <vector>

#include "copier/cli/bench_request.h"
#include "copier/preflight/key_command.h"
#include "copier/report/events/hooks.h"
#include "copier/report/live/progress.h"
#include "pgfanout/job.h"

namespace pgfanout {

/// An option of the job file or the command line, in this order.
struct GivenOption {
  std::string name;   ///< "--table"; of a setting that only job files have, "verify.scope".
  std::string value;  ///< Empty for a flag.
};

/// Where a job is reported, beside standard output and the terminal. Empty members: nowhere.
struct OutputRequest {
  std::string events;           ///< File for newline-delimited JSON.
  std::string metrics;          ///< ADDR:PORT of the Prometheus endpoint.
  std::string metrics_file;     ///< Textfile for the node exporter.
  bool metrics_leaves = false;  ///< A series for each of many leaves.
  std::string report;           ///< File for the HTML report.
  std::vector<HookRequest> hooks;
};

struct Invocation {
  std::string command;             ///< "plan", "run", "copy", ...
  std::vector<std::string> words;  ///< The command line.
  std::vector<GivenOption> given;
  JobDescription job;
  KeyQuestion key;        ///< For the key command.
  BenchRequest bench;     ///< For the bench command.
  int verify_scopes = 0;  ///< How many of --quick, --data, --schema and --full were given.
  bool json = false;
  ProgressMode progress = ProgressMode::automatic;
  OutputRequest output;
  std::string add_to;  ///< queries: job file that gets the advised indexes; empty: none.
  bool watch = false;  ///< status: show the job until it has ended.
};

}  // namespace pgfanout

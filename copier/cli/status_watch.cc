#include "copier/cli/status_watch.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "copier/base/pause.h"
#include "copier/report/result/json_report.h"
#include "copier/report/text/output.h"
#include "copier/report/text/text.h"
#include "copier/report/text/watch_text.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

using Json = nlohmann::ordered_json;
using StageState = JobView::StageState;

constexpr milliseconds kLiveEvery{1000};
constexpr milliseconds kPatience{10'000};
/// --restart deletes the job from the journal for a moment.
constexpr int kMostReadsWithoutJob = 10;

StageState state_of(const std::string& status) {
  if (status == "running") return StageState::running;
  if (status == "waiting") return StageState::gate;
  if (status == "ok" || status == "confirmed") return StageState::done;
  return StageState::failed;
}

Json progress_of(const JobView& view) {
  const ProgressSnapshot& now = view.now;
  Json json = {{"stage", now.stage},
               {"stage_seconds", std::round(now.stage_seconds)},
               {"rows", now.rows},
               {"rows_expected", view.rows_expected},
               {"rows_per_second", std::round(now.rows_per_second)},
               {"bytes", now.bytes},
               {"bytes_expected", now.bytes_expected},
               {"steps_done", now.steps_done},
               {"readers", view.readers},
               {"readers_busy", view.readers_busy},
               {"writers", view.writers},
               {"writers_busy", view.writers_busy}};
  std::array<std::uint64_t, kLeafStateNames.size()> leaves{};
  for (const JobView::Leaf& leaf : view.leaves) ++leaves[static_cast<std::size_t>(leaf.state)];
  json["leaves"] = Json::object();
  for (std::size_t state = 0; state < kLeafStateNames.size(); ++state) {
    json["leaves"][kLeafStateNames[state]] = leaves[state];
  }
  json["waits"] = view.waits;
  return json;
}

/// The line of --watch --json: the document of status, with the figures of the live view.
std::string json_line(const JobResult& status, const JobView& view) {
  Json document = json_document(status, resources_used());
  document["progress"] = progress_of(view);
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

class StatusWatch {
 public:
  StatusWatch(const Invocation& call, const OutputStreams& streams,
              const Cancellation& cancellation, milliseconds line_every)
      : call_(call),
        streams_(streams),
        cancellation_(cancellation),
        line_every_(line_every),
        terminal_(streams.message_fd,
                  call.progress == ProgressMode::automatic && is_live_terminal(streams.message_fd)),
        views_(call.job) {}

  std::optional<JobResult> run(const std::function<Result<JobSnapshot>()>& snapshot) {
    while (!cancellation_.is_set()) {
      auto seen = snapshot();
      if (cancellation_.is_set()) break;
      if (seen) {
        if (!show(*seen)) break;
        if (seen->is_over) return ended(std::move(seen->status));
      } else if (!is_passing(seen.error())) {
        JobResult failed = last_.value_or(JobResult("status"));
        if (!last_) failed.error = std::move(seen).error();
        return ended(std::move(failed));
      }
      pause();
    }
    terminal_.erase();
    return {};
  }

 private:
  std::optional<JobResult> ended(JobResult result) {
    terminal_.erase();
    return result;
  }

  /// False: nobody reads the output any more.
  bool show(const JobSnapshot& snapshot) {
    if (is_unreachable_) terminal_.print("connected to the server again");
    is_unreachable_ = false;
    without_job_ = 0;
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    const JobView view = views_.view(snapshot, seconds);
    last_ = snapshot.status;
    if (call_.json) {
      const std::string line = json_line(snapshot.status, view);
      return write_patiently(streams_.result_fd, line, kPatience).bytes == line.size();
    }
    terminal_.draw(view);
    if (!terminal_.is_live() && call_.progress != ProgressMode::none && !snapshot.is_over) {
      terminal_.print(view.now.stage.empty() ? printable(view.last_issue) : plain_line(view.now));
      for (const SessionWait& wait : view.session_waits) {
        terminal_.print(wait_line(wait, WaitChange::lasts));
      }
    }
    return true;
  }

  /// Whether the watch continues despite this error.
  bool is_passing(const Error& error) {
    if (!last_) return false;
    if (error.code == "no-job") return ++without_job_ < kMostReadsWithoutJob;
    if (!std::exchange(is_unreachable_, true)) {
      terminal_.print("cannot read the state of the job: " + printable(error.message) +
                      "; retrying");
    }
    return true;
  }

  void pause() const {
    const milliseconds time = terminal_.is_live() && !call_.json ? kLiveEvery : line_every_;
    pause_unless(cancellation_, time);
  }

  const Invocation& call_;
  const OutputStreams& streams_;
  const Cancellation& cancellation_;
  const milliseconds line_every_;
  TerminalView terminal_;
  StatusView views_;
  const Clock::time_point began_ = Clock::now();
  std::optional<JobResult> last_;
  bool is_unreachable_ = false;
  int without_job_ = 0;
};

}  // namespace

void StatusView::show_stages(const JobSnapshot& snapshot, JobView& view) const {
  for (const StageSummary& stage : snapshot.status.stages) {
    view.stages.push_back({stage.name, state_of(stage.status), stage.seconds});
    view.seconds += stage.seconds;
    if (stage.status == "running") view.now.stage_seconds = stage.seconds;
  }
  if (view.stages.empty()) {  // The copy command journals no stages.
    const StageState state = snapshot.is_over          ? StageState::done
                             : !snapshot.stage.empty() ? StageState::running
                                                       : StageState::failed;
    view.stages.push_back({"copy", state, {}});
  } else if (!snapshot.is_over) {
    for (const std::string_view name : kWindowStages) {
      const bool is_listed = std::ranges::any_of(
          view.stages, [&](const JobView::Stage& each) { return each.name == name; });
      if (!is_listed) view.stages.push_back({std::string(name)});
    }
  }
}

void StatusView::show_progress(const JobSnapshot& snapshot, double seconds, JobView& view) {
  ProgressSnapshot& now = view.now;
  now.stage = snapshot.stage;
  const bool is_other_job = snapshot.status.job != job_id_;
  if (is_other_job || snapshot.stage != stage_) {
    stage_ = snapshot.stage;
    rows_before_ = snapshot.rows_seen;
    bytes_before_ = snapshot.bytes_seen;
    recent_.restart();
  }
  if (is_other_job) rates_.restart(seconds, snapshot.rows_seen);
  job_id_ = snapshot.status.job;
  const bool is_copying = snapshot.stage == "copy";
  // By epoch the journal knows the committed rows; by leaf only rows read since the watch began
  // count.
  now.rows = snapshot.rows_seen - rows_before_;
  now.bytes = snapshot.bytes_seen - bytes_before_;
  if (is_copying && !snapshot.by_leaf) now.rows = snapshot.rows_committed;
  if (is_copying && snapshot.bytes_expected > 0) {
    now.bytes = snapshot.bytes_done;
    now.bytes_expected = snapshot.bytes_expected;
    now.is_estimate = true;
  }
  now.steps_done = snapshot.steps_done;
  now.build_blocks_done = snapshot.build_blocks_done;
  now.build_blocks_total = snapshot.build_blocks_total;
  recent_.add(seconds, snapshot.rows_seen, now.bytes);
  now.rows_per_second = recent_.rows_per_second();
  now.bytes_per_second = recent_.bytes_per_second();
  rates_.add(seconds, snapshot.rows_seen, 0);
  if (seconds > seconds_) rates_every_ = seconds - seconds_;
  seconds_ = seconds;
}

JobView StatusView::view(const JobSnapshot& snapshot, double seconds) {
  JobView view;
  view.command = "status";
  view.job = snapshot.status.job;
  view.source = job_.table;
  view.target = job_.into.empty() ? job_.table + "_new" : job_.into;
  show_stages(snapshot, view);
  show_progress(snapshot, seconds, view);
  for (const JobSnapshot::Leaf& leaf : snapshot.leaves)
    view.leaves.push_back({leaf.state, leaf.rows});
  view.rows_expected = snapshot.rows_expected;
  view.rates = rates_.rates();
  view.rates_every = rates_every_;
  view.readers = snapshot.readers;
  view.readers_busy = snapshot.readers_busy;
  view.writers = snapshot.writers;
  view.writers_busy = snapshot.writers_busy;
  view.waits = snapshot.waits;
  const JobStatus* status = job_status_of(snapshot.status);
  if (status != nullptr) view.session_waits = status->waits;
  if (status != nullptr && status->active.empty() && !snapshot.is_over) {
    const std::string& gate = status->waiting_at;
    view.last_issue =
        (gate.empty() ? "no session works on it" : "gate " + gate + " waits for a person") +
        "; next: " + status->next;
  }
  view.on_interrupt = "ends the watch; the job continues";
  return view;
}

std::optional<JobResult> watch_status(const Invocation& call,
                                      const std::function<Result<JobSnapshot>()>& snapshot,
                                      const OutputStreams& streams,
                                      const Cancellation& cancellation, milliseconds line_every) {
  return StatusWatch(call, streams, cancellation, line_every).run(snapshot);
}

}  // namespace pgfanout

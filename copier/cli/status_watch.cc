#include "copier/cli/status_watch.h"

#include <chrono>
#include <utility>

#include "copier/base/pause.h"
#include "copier/cli/look_view.h"
#include "copier/report/live/json_look.h"
#include "copier/report/live/terminal_view.h"
#include "copier/report/text/terminal.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLiveEvery{1000};
constexpr milliseconds kPatience{10'000};
/// A job that is begun anew is forgotten for a moment.
constexpr int kLooksWithoutJob = 10;

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

  std::optional<JobResult> run(const std::function<Result<JobSnapshot>()>& look) {
    while (!cancellation_.is_set()) {
      auto seen = look();
      if (cancellation_.is_set()) break;
      if (seen) {
        if (!show(*seen)) break;
        if (seen->is_over) return ended(std::move(seen->status));
      } else if (!bear(seen.error())) {
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

  /// False: nobody takes it.
  bool show(const JobSnapshot& look) {
    if (is_away_) terminal_.print("the server is there again");
    is_away_ = false;
    without_job_ = 0;
    const double seconds = std::chrono::duration<double>(Clock::now() - began_).count();
    const JobView view = views_.view(look, seconds);
    last_ = look.status;
    if (call_.json) {
      const std::string line = json_look(look.status, view, resources_used());
      return write_patiently(streams_.result_fd, line, kPatience).bytes == line.size();
    }
    terminal_.draw(view);
    if (!terminal_.is_live() && call_.progress != ProgressMode::none && !look.is_over) {
      terminal_.print(view.now.stage.empty() ? printable(view.last_issue) : plain_line(view.now));
    }
    return true;
  }

  /// Whether it may pass.
  bool bear(const Error& error) {
    if (!last_) return false;
    if (error.code == "no-job") return ++without_job_ < kLooksWithoutJob;
    if (!std::exchange(is_away_, true)) {
      terminal_.print("cannot look at the job: " + printable(error.message) + "; trying again");
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
  LookView views_;
  const Clock::time_point began_ = Clock::now();
  std::optional<JobResult> last_;
  bool is_away_ = false;
  int without_job_ = 0;
};

}  // namespace

std::optional<JobResult> watch_status(const Invocation& call,
                                      const std::function<Result<JobSnapshot>()>& look,
                                      const OutputStreams& streams,
                                      const Cancellation& cancellation, milliseconds line_every) {
  return StatusWatch(call, streams, cancellation, line_every).run(look);
}

}  // namespace pgfanout

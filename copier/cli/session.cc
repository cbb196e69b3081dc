#include "copier/cli/session.h"
#include "copier/cli/add_indexes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <variant>

#include "copier/base/caught.h"
#include "copier/base/counted.h"
#include "copier/base/server_waits.h"
#include "copier/cli/arguments.h"
#include "copier/cli/observers.h"
#include "copier/cli/status_watch.h"
#include "copier/report/result/json_report.h"
#include "copier/report/result/summary.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/output.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds patience_for_messages{10'000};
constexpr milliseconds patience_when_cancelled{3'000};
constexpr milliseconds check_for_cancellation_every{200};

std::string statements_text(const JobResult& result) {
  std::string text;
  for (const std::string& statement : result.statements) {
    const bool needs_end = !statement.ends_with(';') && !statement.starts_with("--");
    text += statement + (needs_end ? ";\n" : "\n");
  }
  return text;
}

/// Whether the summary is the command's answer, and not a message about a failure.
bool is_answer(const JobResult& result) {
  if (result.command == "plan" && plan_has_answer(result)) return true;
  if (result.command == "status" && !result.error) return true;
  return exit_code_of(result) == 0;
}

/// Leaves the process when a stop at once has not ended the command two seconds later, wherever it
/// hangs: in libpq, in a file system, in a reader that does not read.
class LastResort {
 public:
  /// `tell` says what a command that has not ended leaves behind, and returns the exit code.
  LastResort(const Cancellation& at_once, const std::function<void(int)>& leave,
             std::function<int()> tell)
      : at_once_(at_once), leave_(leave), tell_(std::move(tell)) {
    if (!leave_) return;
    [[maybe_unused]] const auto started = run_caught(
        "the start of the last resort", [this] { thread_ = std::thread([this] { watch(); }); });
  }
  ~LastResort() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  LastResort(const LastResort&) = delete;
  LastResort& operator=(const LastResort&) = delete;

  /// The caller alone prints from now on. Does not return if the process is being left.
  void command_ended(int exit_code) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !is_leaving_; });
    exit_code_ = exit_code;
  }

 private:
  void watch() {
    constexpr milliseconds kStep{50};
    constexpr int kSteps = 37;  // With the step in which the stop is seen less than two seconds.
    std::unique_lock lock(mutex_);
    for (int steps = 0; steps < kSteps; steps += at_once_.is_set() ? 1 : 0) {
      if (changed_.wait_for(lock, kStep, [this] { return is_over_; })) return;
    }
    is_leaving_ = true;
    const std::optional<int> ended = exit_code_;
    lock.unlock();
    int exit_code = ended.value_or(3);
    if (!ended) (void)run_caught("the last resort", [&] { exit_code = tell_(); });
    leave_(exit_code);  // Returns in tests only.
    lock.lock();
    is_leaving_ = false;
    changed_.notify_all();
  }

  const Cancellation& at_once_;
  const std::function<void(int)>& leave_;
  const std::function<int()> tell_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_over_ = false;          // guarded by mutex_
  bool is_leaving_ = false;       // guarded by mutex_
  std::optional<int> exit_code_;  // guarded by mutex_; of a command that has ended
  std::thread thread_;            // last: it uses all of the above
};

/// Issues about statements that a stop leaves on the servers. `also`: those not given up yet.
std::vector<Issue> left_on_servers(const std::vector<ServerWait>& also) {
  std::vector<Issue> issues;
  std::vector<ServerWait> left = ServerWaits::all().left_behind();
  left.insert(left.end(), also.begin(), also.end());
  // Those that watch the job change nothing, and end soon.
  std::erase_if(left, [](const ServerWait& wait) {
    return wait.pid == 0 || wait.session.ends_with("/watch");
  });
  std::vector<std::string> texts;
  std::vector<int> pids;
  for (const ServerWait& wait : left) {
    texts.push_back(text_of(wait));
    pids.push_back(wait.pid);
  }
  if (!left.empty()) {
    issues.push_back(
        {Severity::warning, "session-left",
         fmt::format("the server may still execute {}", fmt::join(texts, "; ")),
         left.front().server,
         fmt::format("the next call of this job waits for such sessions; this ends them: SELECT"
                     " pg_terminate_backend(pid) FROM unnest('{{{}}}'::int[]) pid",
                     fmt::join(pids, ","))});
  }
  if (const unsigned commits = ServerWaits::all().cancelled_commits(); commits > 0) {
    issues.push_back(
        {Severity::warning, "not-replicated",
         counted(commits, "transaction that was cancelled", "transactions that were cancelled") +
             " took effect on this server all the same: if its commit waited, standbys of"
             " synchronous_standby_names may not have it",
         "", "do not fail over before they have caught up (pg_stat_replication)"});
  }
  return issues;
}

class Session {
 public:
  Session(std::span<const std::string> words, const CommandFunctions& functions,
          const OutputStreams& streams, const Cancellation& cancellation)
      : words_(words), functions_(functions), streams_(streams), cancellation_(cancellation) {}

  int run() const {
    auto parsed = parse_arguments(words_);
    if (!parsed) return refuse(std::move(parsed).error());
    if (const auto* information = std::get_if<Information>(&*parsed)) {
      print_result(information->text);
      return 0;
    }
    auto& call = std::get<Invocation>(*parsed);
    if (call.command == "bench") return refuse(functions_.bench(words_.subspan(1)));
    if (call.command == "key") return run_key(call);
    if (call.command == "status" && call.watch) return run_watch(call);
    // The plan has all SQL of a run.
    if (call.command == "run" && call.job.dry_run) call.command = "plan";
    return run_job(call);
  }

  void print_message(std::string_view text) const {
    write_patiently(streams_.message_fd, text, patience_for_messages);
  }

 private:
  /// Waits for a slow reader, such as a pager, until the user interrupts.
  void print_result(std::string_view text) const {
    while (!text.empty()) {
      const bool is_cancelled = cancellation_.is_set();
      const WriteOutcome outcome =
          write_patiently(streams_.result_fd, text,
                          is_cancelled ? patience_when_cancelled : check_for_cancellation_every);
      text.remove_prefix(outcome.bytes);
      if (outcome.is_broken || (is_cancelled && outcome.bytes == 0)) {
        print_message("error: standard output was not written to its end\n");
        return;
      }
    }
  }

  /// The result of the function; an exception is an error of code "internal".
  template <class Function>
  static JobResult result_of(const Invocation& call, Function function) {
    JobResult result(call.command);
    try {
      result = function();
    } catch (const std::exception& failure) {
      result.error = error_of_exception("pgfanout", failure);
    }
    result.command = call.command;
    return result;
  }

  int refuse(Error error) const {
    JobResult result(command_of(words_));
    result.error = std::move(error);
    if (wants_json(words_)) print_result(json_report(result, resources_used()));
    print_message(error_text(*result.error));
    return exit_code_of(result);
  }

  int run_job(const Invocation& call) const {
    LastResort last_resort(cancellation_.at_once(), functions_.leave,
                           [&] { return tell_unfinished(call); });
    auto observers = Observers::open(call, streams_.message_fd, cancellation_);
    JobResult result(call.command);
    if (observers) {
      Observer& observer = (*observers)->observer();
      result = result_of(call, [&] {
        return functions_.jobs.at(call.command)(call.job, observer, cancellation_);
      });
      if (!call.add_to.empty() && result.queries && result.queries->advice) {
        auto added = add_indexes(call.add_to, *result.queries->advice);
        if (!added) result.error = std::move(added).error();
        if (added) result.issues.push_back(*std::move(added));
      }
      for (Issue& issue : left_on_servers({})) {
        observer.issue_found(issue);
        result.issues.push_back(std::move(issue));
      }
      (*observers)->finish(result);
    } else {
      result.error = std::move(observers).error();
    }
    last_resort.command_ended(exit_code_of(result));
    // The observers live until this is printed: it takes up to two seconds to stop serving metrics.
    return print_job(call, result);
  }

  /// In place of the result of a command that hangs, for the last resort.
  int tell_unfinished(const Invocation& call) const {
    JobResult result(call.command);
    result.error =
        interrupted("cancelled", "stopped at once: the command did not end within two seconds",
                    "whether a fence refuses writes was not asked: 'pgfanout status' tells it");
    const std::vector<ServerWait> waits = ServerWaits::all().open();
    result.issues = left_on_servers(waits);
    // "pgfanout/<job>/<role>"; without a job other words, and its id begins with the year.
    for (const ServerWait& wait : waits) {
      const std::size_t job = wait.session.find("/2") + 1;
      if (job > 0) result.job = wait.session.substr(job, wait.session.rfind('/') - job);
    }
    // A fence that cannot be looked at is reported as standing.
    result.writes_refused = call.command != "plan" && call.command != "status" &&
                            call.command != "verify" && call.command != "queries";
    print_message(issues_text(result));
    return print_job(call, result);
  }

  int print_job(const Invocation& call, const JobResult& result) const {
    const NextCommands next = next_commands_of(words_, call.job.table, result);
    const Resources used = resources_used();
    const std::string summary = summary_of(result, used, next) + fence_line(result, next.release);
    if (call.json) {
      print_result(json_report(result, used));
      print_message(summary);
    } else if (!result.statements.empty() || !is_answer(result)) {
      print_result(statements_text(result));
      print_message(summary);
    } else {
      print_result(summary);
    }
    return exit_code_of(result);
  }

  int run_key(const Invocation& call) const {
    LastResort last_resort(cancellation_.at_once(), functions_.leave,
                           [&] { return tell_unfinished(call); });
    const JobResult result =
        result_of(call, [&] { return functions_.key(call.job, call.key, cancellation_); });
    last_resort.command_ended(exit_code_of(result));
    if (call.json) {
      print_result(json_report(result, resources_used()));
    } else if (const auto* key = std::get_if<KeyResult>(&result.details)) {
      print_result(key_summary(call.key.values, call.key.seed, *key));
    }
    print_message((result.error ? error_text(*result.error) : "") + issues_text(result) +
                  fence_line(result));
    return exit_code_of(result);
  }

  /// With --json each state is a document, and the last one is that of the job's end.
  int run_watch(const Invocation& call) const {
    const LastResort last_resort(cancellation_.at_once(), functions_.leave, [] { return 3; });
    const auto ended =
        watch_status(call, functions_.watch(call.job, cancellation_), streams_, cancellation_);
    if (!ended) return 0;
    return call.json && !ended->error ? exit_code_of(*ended) : print_job(call, *ended);
  }

  const std::span<const std::string> words_;
  const CommandFunctions& functions_;
  const OutputStreams& streams_;
  const Cancellation& cancellation_;
};

}  // namespace

int run_session(std::span<const std::string> words, const CommandFunctions& functions,
                const OutputStreams& streams, const Cancellation& cancellation) {
  const Session session(words, functions, streams, cancellation);
  try {
    return session.run();
  } catch (const std::exception& failure) {
    session.print_message(error_text(error_of_exception("pgfanout", failure)));
    return 3;
  }
}

}  // namespace pgfanout

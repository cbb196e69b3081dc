#include "copier/cli/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <memory>
#include <string_view>
#include <utility>
#include <variant>

#include "copier/cli/arguments.h"
#include "copier/cli/key_output.h"
#include "copier/cli/next_commands_of.h"
#include "copier/cli/observers.h"
#include "copier/cli/status_watch.h"
#include "copier/report/result/json_report.h"
#include "copier/report/result/plan_summary.h"
#include "copier/report/result/summary.h"
#include "copier/report/result/verify_summary.h"
#include "copier/report/result/window_summary.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/terminal.h"
#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds patience_for_messages{10'000};
constexpr milliseconds patience_when_cancelled{3'000};
constexpr milliseconds look_for_cancellation_every{200};

/// What a command leaves to be told.
struct Outcome {
  JobResult result;
  /// Kept until all is told: to stop serving metrics takes up to two seconds.
  std::unique_ptr<Observers> observers = {};
};

class Teller {
 public:
  Teller(const OutputStreams& streams, const Cancellation& cancellation)
      : streams_(streams), cancellation_(cancellation) {}

  void message(std::string_view text) const {
    write_patiently(streams_.message_fd, text, patience_for_messages);
  }

  /// Waits for the reader as long as nobody interrupts: the job is over, and a pager may be slow.
  void result(std::string_view text) const {
    while (!text.empty()) {
      const bool is_cancelled = cancellation_.is_set();
      const WriteOutcome outcome =
          write_patiently(streams_.result_fd, text,
                          is_cancelled ? patience_when_cancelled : look_for_cancellation_every);
      text.remove_prefix(outcome.bytes);
      if (outcome.is_broken || (is_cancelled && outcome.bytes == 0)) {
        message("error: standard output was not written to its end\n");
        return;
      }
    }
  }

 private:
  const OutputStreams& streams_;
  const Cancellation& cancellation_;
};

Error internal_error(std::string_view what) {
  return interrupted("internal", fmt::format("pgfanout failed within itself: {}", what),
                     "please report this, with the command line");
}

JobResult run_job(const Invocation& call, const CommandFunctions& functions, Observer& observer,
                  const Cancellation& cancellation) {
  using Name = std::pair<std::string_view, const JobFunction&>;
  const std::array<Name, 8> names = {
      Name{"plan", functions.plan},       Name{"run", functions.run},
      Name{"copy", functions.copy},       Name{"verify", functions.verify},
      Name{"swap", functions.swap},       Name{"rollback", functions.rollback},
      Name{"cleanup", functions.cleanup}, Name{"status", functions.status}};
  const auto found = std::find_if(names.begin(), names.end(),
                                  [&](const Name& name) { return name.first == call.command; });
  if (found == names.end() || !found->second) {
    JobResult result(call.command);
    result.error = internal_error("there is no such command: " + call.command);
    return result;
  }
  try {
    return found->second(call.job, observer, cancellation);
  } catch (const std::exception& failure) {
    JobResult result(call.command);
    result.error = internal_error(failure.what());
    return result;
  }
}

Outcome run_observed(const Invocation& call, const CommandFunctions& functions,
                     const OutputStreams& streams, const Cancellation& cancellation) {
  Outcome outcome;
  auto observers = Observers::open(call, streams.message_fd, cancellation);
  if (!observers) {
    outcome.result = JobResult(call.command);
    outcome.result.error = std::move(observers).error();
    return outcome;
  }
  outcome.result = run_job(call, functions, (*observers)->observer(), cancellation);
  outcome.result.command = call.command;
  (*observers)->finish(outcome.result);
  outcome.observers = std::move(*observers);
  return outcome;
}

Outcome run_command(const Invocation& call, const CommandFunctions& functions,
                    const OutputStreams& streams, const Cancellation& cancellation) {
  if (call.command != "key") return run_observed(call, functions, streams, cancellation);
  Outcome outcome;
  try {
    outcome.result = functions.key(call.job, call.key, cancellation);
  } catch (const std::exception& failure) {
    outcome.result = JobResult(call.command);
    outcome.result.error = internal_error(failure.what());
  }
  outcome.result.command = call.command;
  return outcome;
}

std::string statements_text(const JobResult& result) {
  std::string text;
  for (const std::string& statement : result.statements) {
    const bool needs_end = !statement.ends_with(';') && !statement.starts_with("--");
    text += statement + (needs_end ? ";\n" : "\n");
  }
  return text;
}

void tell_key(const Invocation& call, const Outcome& outcome, const NextCommands&,
              const Teller& teller) {
  const JobResult& result = outcome.result;
  if (call.json) {
    teller.result(key_json(result, resources_used()));
  } else if (const auto* key = std::get_if<KeyResult>(&result.details)) {
    teller.result(key_text(call.key, *key));
  }
  teller.message((result.error ? error_text(*result.error) : "") + issues_text(result) +
                 fence_line(result));
}

std::string summary_of(const JobResult& result, const Resources& used, const NextCommands& next) {
  if (result.command == "copy") return copy_summary(result, used, next);
  if (result.command == "verify") return verify_summary(result, used);
  if (result.command == "plan") return plan_summary(result, next);
  if (result.command == "status") return status_summary(result, next);
  return window_summary(result, used, next);
}

/// Whether the summary is what was asked for, and not a message about a failure.
bool is_answer(const JobResult& result) {
  if (result.command == "plan" && plan_has_answer(result)) return true;
  if (result.command == "status" && !result.error) return true;
  return exit_code_of(result) == 0;
}

void tell_job(const Invocation& call, const Outcome& outcome, const NextCommands& next,
              const Teller& teller) {
  const JobResult& result = outcome.result;
  const Resources used = resources_used();
  const std::string summary = summary_of(result, used, next) + fence_line(result, next.release);
  if (call.json) {
    teller.result(json_report(result, used));
    teller.message(summary);
  } else if (!result.statements.empty() || !is_answer(result)) {
    teller.result(statements_text(result));
    teller.message(summary);
  } else {
    teller.result(summary);
  }
}

int tell_refusal(std::span<const std::string> words, Error error, const Teller& teller) {
  JobResult result(command_of(words));
  result.error = std::move(error);
  if (wants_json(words)) teller.result(json_report(result, resources_used()));
  teller.message(error_text(*result.error));
  return exit_code_of(result);
}

/// With --json the looks are the documents, and the last one is of the job's end.
int watch(std::span<const std::string> words, const Invocation& call,
          const CommandFunctions& functions, const OutputStreams& streams,
          const Cancellation& cancellation) {
  const Teller teller(streams, cancellation);
  Outcome outcome;
  auto ended = watch_status(call, functions.watch(call.job, cancellation), streams, cancellation);
  if (!ended) return 0;
  outcome.result = *std::move(ended);
  if (call.json && !outcome.result.error) return exit_code_of(outcome.result);
  tell_job(call, outcome, next_commands_of(words, call.job.table, outcome.result), teller);
  return exit_code_of(outcome.result);
}

int run(std::span<const std::string> words, const CommandFunctions& functions,
        const OutputStreams& streams, const Cancellation& cancellation) {
  const Teller teller(streams, cancellation);
  auto parsed = parse_arguments(words);
  if (!parsed) return tell_refusal(words, std::move(parsed).error(), teller);
  if (const auto* information = std::get_if<Information>(&*parsed)) {
    teller.result(information->text);
    return 0;
  }
  auto& call = std::get<Invocation>(*parsed);
  if (call.command == "bench") {
    return tell_refusal(words, functions.bench(words.subspan(1)), teller);
  }
  if (call.command == "status" && call.watch) {
    return watch(words, call, functions, streams, cancellation);
  }
  // What a run would do, and all SQL of it, is what the plan says.
  if (call.command == "run" && call.job.dry_run) call.command = "plan";
  const Outcome outcome = run_command(call, functions, streams, cancellation);
  const NextCommands next = next_commands_of(words, call.job.table, outcome.result);
  (call.command == "key" ? tell_key : tell_job)(call, outcome, next, teller);
  return exit_code_of(outcome.result);
}

}  // namespace

int run_session(std::span<const std::string> words, const CommandFunctions& functions,
                const OutputStreams& streams, const Cancellation& cancellation) {
  try {
    return run(words, functions, streams, cancellation);
  } catch (const std::exception& failure) {
    Teller(streams, cancellation).message(error_text(internal_error(failure.what())));
    return 3;
  }
}

}  // namespace pgfanout

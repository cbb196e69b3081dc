#include "copier/cli/session.h"
#include "copier/cli/add_indexes.h"

#include <fmt/format.h>

#include <chrono>
#include <exception>
#include <string_view>
#include <utility>
#include <variant>

#include "copier/base/caught.h"
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
    auto observers = Observers::open(call, streams_.message_fd, cancellation_);
    JobResult result(call.command);
    if (observers) {
      result = result_of(call, [&] {
        return functions_.jobs.at(call.command)(call.job, (*observers)->observer(), cancellation_);
      });
      if (!call.add_to.empty() && result.queries && result.queries->advice) {
        auto added = add_indexes(call.add_to, *result.queries->advice);
        if (!added) result.error = std::move(added).error();
        if (added) result.issues.push_back(*std::move(added));
      }
      (*observers)->finish(result);
    } else {
      result.error = std::move(observers).error();
    }
    // The observers live until this is printed: it takes up to two seconds to stop serving metrics.
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
    const JobResult result =
        result_of(call, [&] { return functions_.key(call.job, call.key, cancellation_); });
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

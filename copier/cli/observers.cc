#include "copier/cli/observers.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "copier/cli/arguments.h"
#include "copier/cli/options.h"
#include "copier/pg/connection.h"
#include "copier/pg/stall_watch.h"
#include "copier/report/events/event_stream.h"
#include "copier/report/events/hooks.h"
#include "copier/report/metrics/metrics.h"
#include "copier/report/record/figures.h"
#include "copier/report/record/recorder.h"
#include "copier/report/text/issue_text.h"
#include "copier/report/text/output.h"

namespace pgfanout {
namespace {

constexpr std::chrono::milliseconds kPatience{10'000};

CommitMode commits_of(const JobDescription& job) {
  using Unit = CommitEvery::Unit;
  if (job.commit_every.unit == Unit::leaf) return CommitMode::by_leaf;
  const bool has_rejects = job.reject_limit.rows > 0 || job.reject_limit.percent.value_or(0) > 0;
  return job.commit_every.unit == Unit::automatic && !has_rejects ? CommitMode::unknown
                                                                  : CommitMode::by_epoch;
}

JobLabel label_of(const Invocation& call) {
  const JobDescription& job = call.job;
  JobLabel label;
  label.command = call.command;
  label.source = job.table;
  label.target = job.into.empty() ? job.table + "_new" : job.into;
  label.commits = commits_of(job);
  if (call.command == "run" || call.command == "swap") {
    label.stages.assign(kWindowStages.begin(), kWindowStages.end());
    if (call.command == "run" && !job.window.swap) label.stages.pop_back();
  } else if (call.command == "copy") {
    label.stages = {"preflight", "prepare", "copy", "read-back", "attach"};
  }
  return label;
}

using Texts = std::vector<std::string>;

/// The text after "Default: " in the help, the one place that states defaults for people.
std::string default_of(const OptionSpec& option) {
  constexpr std::string_view word = "Default: ";
  const std::size_t at = option.help.rfind(word);
  if (at == std::string_view::npos || option.value.empty()) {
    return option.value.empty() ? "off" : "none";
  }
  return std::string(option.help.substr(at + word.size()));
}

std::string shown(const OptionSpec& option, const std::string& value) {
  if (option.value.empty()) return "on";
  if (option.value == "DSN") {
    const std::string server = server_of_dsn(value);
    return server.empty() ? "libpq's environment" : server;
  }
  return option.name == "--hook" ? shown_hook(value) : value;
}

/// The last value that was given, or all of them where an option can be repeated.
Texts values_of(const OptionSpec& option, const Invocation& call) {
  Texts values;
  if (option.name == "--map") {  // The command line replaces some of the file's mappings.
    for (const ColumnMapping& mapping : call.job.map) {
      values.push_back(mapping.column + "=" + mapping.sql);
    }
    return values;
  }
  for (const GivenOption& given : call.given) {
    if (given.name != option.name) continue;
    if (!option.is_repeatable) values.clear();
    values.push_back(shown(option, given.value));
  }
  return values;
}

/// The command line without the arguments of hooks, which may hold a token.
std::vector<std::string> shown_words(std::vector<std::string> words) {
  constexpr std::string_view kJoined = "--hook=";
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (words[at] == "--hook" && at + 1 < words.size()) words[at + 1] = shown_hook(words[at + 1]);
    if (words[at].starts_with(kJoined)) {
      words[at] = std::string(kJoined) + shown_hook(words[at].substr(kJoined.size()));
    }
  }
  return words;
}

/// Records the job, and writes its HTML report when the command has ended. A report that cannot be
/// written is a warning, since the job itself is done.
class ReportWriter : public Recorder {
 public:
  /// `call` outlives it.
  explicit ReportWriter(const Invocation& call) : call_(call) {}

  void job_finished(JobResult& result) override {
    HtmlReport report;
    report.result = result;
    report.recorded = recorded();
    report.used = resources_used();
    report.machine = this_machine();
    report.next = next_commands_of(shown_words(call_.words), call_.job.table, result);
    report.settings = settings_of(call_);
    report.gates = call_.job.window.confirm_at;
    const auto written = write_report_file(call_.output.report, html_report(report));
    if (written) return;
    result.issues.push_back({Severity::warning, "report-not-written", written.error().message,
                             written.error().where,
                             "the job itself is done; its result is in this output"});
  }

 private:
  const Invocation& call_;
};

}  // namespace

std::string shown_hook(const std::string& hook) {
  const std::size_t divider = hook.find('=');
  if (divider == std::string::npos) return hook;
  const std::string command = hook.substr(divider + 1);
  const std::string program = program_of(command);
  return hook.substr(0, divider + 1) + program + (program == command ? "" : " ...");
}

std::vector<ReportSetting> settings_of(const Invocation& call) {
  std::vector<ReportSetting> settings;
  const auto add = [&](std::string_view group, std::string_view name, const Texts& values,
                       const std::string& otherwise) {
    settings.push_back({std::string(group), std::string(name),
                        values.empty() ? otherwise : fmt::format("{}", fmt::join(values, "\n")),
                        values.empty()});
  };
  for (const OptionSpec& option : options_of(call.command)) {
    const Texts values = values_of(option, call);
    add(option.group, option.name, values, default_of(option));
  }
  Texts views;
  for (const auto& [name, sql] : call.job.window.views) views.push_back(name);
  Texts queries;
  for (const QueryCheck& query : call.job.window.queries) queries.push_back(query.name);
  Texts scope;
  for (const GivenOption& given : call.given) {
    if (given.name == "verify.scope") scope = {given.value};
  }
  add("Job file alone", "[gates] confirm", call.job.window.confirm_at, "none");
  add("Job file alone", "[views]", views, "none");
  add("Job file alone", "[[queries]]", queries, "none");
  add("Job file alone", "[verify] scope", scope, "none");
  return settings;
}

class Observers::IssuesLater : public ObserverList {
 public:
  using ObserverList::ObserverList;
  void issue_found(const Issue&) override {}
};

Observers::Observers(const Invocation& call, int message_fd, const Cancellation& cancellation)
    : message_fd_(message_fd),
      progress_({.fd = message_fd, .mode = call.progress, .label = label_of(call)}, cancellation) {
  if (call.command == "plan") {
    quiet_progress_ = std::make_unique<IssuesLater>(progress_);
    all_.add(*quiet_progress_);
  } else {
    all_.add(progress_);
  }
  set_wait_listener([this](const Issue& issue) { tell(issue); });
}

Observers::~Observers() {
  set_wait_listener({});
}

void Observers::add(std::unique_ptr<Observer> observer) {
  all_.add(*observer);
  owned_.push_back(std::move(observer));
}

Result<std::unique_ptr<Observers>> Observers::open(const Invocation& call, int message_fd,
                                                   const Cancellation& cancellation) {
  std::unique_ptr<Observers> observers(new Observers(call, message_fd, cancellation));
  // It comes first, so that a hook at job_finished can send the written report. A command that only
  // reads would, with the same job file, overwrite the job's report.
  const bool is_told = std::ranges::any_of(
      call.words, [](const std::string& word) { return word.starts_with("--report"); });
  const bool only_reads =
      call.command == "plan" || call.command == "status" || (call.command == "queries" && !is_told);
  if (!call.output.report.empty() && !only_reads) {
    PGFANOUT_TRY(check_report_file(call.output.report));
    observers->add(std::make_unique<ReportWriter>(call));
  }
  if (call.command != "status") PGFANOUT_TRY(observers->open_outputs(call, cancellation));
  return observers;
}

Result<void> Observers::open_outputs(const Invocation& call, const Cancellation& cancellation) {
  const OutputRequest& output = call.output;
  if (!output.metrics.empty() || !output.metrics_file.empty()) {
    PGFANOUT_TRY_ASSIGN(auto metrics,
                        Metrics::open({output.metrics, output.metrics_file, call.command,
                                       call.job.table, output.metrics_leaves}));
    if (output.metrics.ends_with(":0")) {
      tell({Severity::info,
            "metrics",
            fmt::format("metrics are served at port {}", metrics->port()),
            {},
            {}});
    }
    add(std::move(metrics));
  }
  if (output.events.empty() && output.hooks.empty()) return {};
  auto events = std::make_unique<EventStream>(call.command);
  if (!output.events.empty()) {
    PGFANOUT_TRY_ASSIGN(auto file, EventFile::open(output.events));
    events->add(std::move(file));
  }
  if (!output.hooks.empty()) {
    const bool may_stop = call.command != "rollback" && call.command != "cleanup";
    events->add(std::make_unique<Hooks>(
        output.hooks, may_stop, [this](const Issue& issue) { tell(issue); }, cancellation));
  }
  add(std::move(events));
  return {};
}

void Observers::tell(const Issue& issue) {
  const std::lock_guard lock(mutex_);
  told_.push_back(issue.message);
  if (!is_live_over_) return progress_.tell(issue);
  write_patiently(message_fd_, issue_text(issue) + "\n", kPatience);
}

void Observers::finish(JobResult& result) {
  set_wait_listener({});
  {
    const std::lock_guard lock(mutex_);
    progress_.finish();
    is_live_over_ = true;
  }
  const std::size_t issues = result.issues.size();
  all_.job_finished(result);
  for (std::size_t i = issues; i < result.issues.size(); ++i) {
    const Issue& issue = result.issues[i];
    if (std::find(told_.begin(), told_.end(), issue.message) == told_.end()) tell(issue);
  }
}

}  // namespace pgfanout

#include "copier/cli/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "copier/cli/options.h"
#include "copier/cli/values.h"

namespace pgfanout {
namespace {

using Done = Result<void>;

Done need_table(const Invocation& call) {
  if (!call.job.table.empty()) return {};
  return refused("usage", call.command + " needs --table",
                 "name the source table, for example --table public.chunks, or a job file with "
                 "[source] table = \"public.chunks\"");
}

Done check_release(const Invocation& call) {
  if (!call.job.window.release || !call.job.restart) return {};
  return refused("usage",
                 "--release only lifts the fence, --restart starts over: they exclude each other",
                 "leave one of them out");
}

Done check_copy(const Invocation& call) {
  PGFANOUT_TRY(need_table(call));
  PGFANOUT_TRY(check_release(call));
  if (call.job.window.release && call.job.dry_run) {
    return refused("usage", "--dry-run prints the copy as if it had not begun; nothing was done",
                   "use it without --release");
  }
  if (call.job.restart && call.job.append) {
    return refused("usage",
                   "--restart drops the target, --append keeps it: they exclude each other",
                   "leave one of them out");
  }
  return {};
}

Done check_verify(const Invocation& call) {
  const VerifyRequest& verify = call.job.verify;
  if (verify.install_views) return {};
  PGFANOUT_TRY(need_table(call));
  const VerifyScope scope = verify.scope.value_or(VerifyScope::full);
  if (verify.repair && scope != VerifyScope::data && scope != VerifyScope::full) {
    return refused("usage", "--repair needs to know every row that differs",
                   "use it with --data or --full");
  }
  return {};
}

Done check_key(const Invocation& call) {
  PGFANOUT_TRY(need_table(call));
  if (call.key.values.empty() && call.key.check == 0) {
    return refused("usage", "key needs a question",
                   "ask with --value VALUE, or compare with the server with --check 10000");
  }
  return {};
}

Done check_confirmed(const Invocation& call) {
  PGFANOUT_TRY(need_table(call));
  if (!call.job.dry_run || call.job.window.confirmed.empty()) return {};
  return refused("usage", "--dry-run executes nothing, --confirm confirms: they exclude each other",
                 "leave one of them out");
}

Done check_queries_call(const Invocation& call) {
  PGFANOUT_TRY(need_table(call));
  if (!call.job.dry_run) return {};
  return refused("usage", "queries changes nothing, and has no --dry-run", "leave it out");
}

Done check_rollback(const Invocation& call) {
  PGFANOUT_TRY(need_table(call));
  const WindowRequest& window = call.job.window;
  if (int{window.force} + int{window.keep_new_rows} + int{window.save_new_rows} <= 1) return {};
  return refused("usage",
                 "--keep-new-rows keeps rows written since the swap, --save-new-rows saves them in "
                 "a table, --force drops them: they exclude each other",
                 "use one of them");
}

Done check_run(const Invocation& call) {
  PGFANOUT_TRY(check_confirmed(call));
  const WindowRequest& window = call.job.window;
  if (window.release && !window.confirmed.empty()) {
    return refused("usage",
                   "--release ends the job, --confirm continues it: they exclude each other",
                   "leave one of them out");
  }
  PGFANOUT_TRY(check_release(call));
  if (call.job.dry_run && (window.release || call.job.restart)) {
    return refused("usage", "--dry-run prints the window as if it had not begun; nothing was done",
                   "use it without --release and --restart");
  }
  return {};
}

const std::array kCommands = {
    CommandSpec{
        "plan", "go or no-go: obstacles, changes for the application, estimated times",
        R"text(Checks everything about the window that can be known before it begins: privileges, settings,
connections, locks, disk, sessions in the way, objects that cannot be carried over, changes for the
application, and the time it will take. Reads only. Exit code 0 is go, 2 is no-go.
)text",
        R"text(  Can the window begin, and how long will it take?
    pgfanout plan job.toml
  All SQL of all stages in order, nothing executed:
    pgfanout plan job.toml --dry-run > window.sql
  In the window: will it be done by four?
    pgfanout plan job.toml --finish-by 04:00
  Without a job file, although a foreign key cannot be carried over:
    pgfanout plan --source 'service=prod' --table public.chunks \
      --accept 'foreign key public.notes.notes_chunk_fkey'
)text",
        need_table},
    CommandSpec{
        "run", "the whole job up to the proof; with --swap also the swap",
        R"text(Runs the stages preflight, prepare, copy, index, constraints, analyze, verify, and with --swap the
swap. The journal in the target's database records each stage. A gate after a stage waits for a
person: the job ends with exit code 3, and the same command with --confirm STAGE continues it. A
fence refuses writes to the source until swap, rollback or --release. pgfanout rollback undoes all.
docs/RUNBOOK.md describes a window step by step, docs/MESSAGES.md every message.
)text",
        R"text(  Everything up to the proof; writes of the application are refused meanwhile:
    pgfanout run job.toml
  All SQL, nothing executed (the same as plan --dry-run):
    pgfanout run job.toml --dry-run
  And then the swap:
    pgfanout run job.toml --swap
  In a window that ends at four, with a report; stops in time, resumable:
    pgfanout run job.toml --finish-by 04:00 --stop-at-deadline --report window.html
  Beside other work: slower above 70 % of the processors, paused while a standby lags:
    pgfanout run job.toml --profile polite --threshold cpu=70%:slow \
      --threshold replica_lag=30s:pause
  With a log of events, a command at the end, and metrics for Prometheus:
    pgfanout run job.toml --events events.jsonl --hook job_finished=/usr/local/bin/tell-the-team \
      --metrics 127.0.0.1:9187
  The job file says [gates] verify = "confirm", and a person has checked the result:
    pgfanout run job.toml --swap --confirm verify
  Not tonight: let the application write again:
    pgfanout run job.toml --release
)text",
        check_run},
    CommandSpec{
        "copy", "copy a table into a new partition layout, and prove the copy",
        R"text(Copies a table into a target with one leaf per partition key, and proves that every row arrived:
rows and digests that were read, written, committed and read back must agree, leaf by leaf. Writes
to the source are refused meanwhile; it is never changed. The same command resumes an interrupted
copy, and a fence keeps the source unchanged until then; copy --release lifts it and ends the copy.
A target that does not exist is created from the source's columns. pgfanout run, not copy, carries
over the primary key, indexes, foreign keys, grants and all else that belongs to the source.
)text",
        R"text(  All SQL, nothing executed:
    pgfanout copy --source 'service=prod' --table public.chunks --dry-run
  public.chunks into public.chunks_new, 100 leaves by hash of its first partition column:
    pgfanout copy --source 'service=prod' --table public.chunks
  To another server, with a key of your own, result as JSON:
    pgfanout copy --source 'service=old' --target 'service=new' \
      --table chunks --into chunks_by_document --partitions 32 \
      --key 'abs(hashtext(document_id::text)) % 32' --json > result.json
  Columns renamed, computed and left out:
    pgfanout copy --source 'service=prod' --table chunks --map legacy_id=id \
      --map "metadata=coalesce(metadata, '{}'::jsonb)" --skip embedding_model
  Slowly, since others use the server; an interruption repeats at most 1 GB:
    pgfanout copy --source 'service=prod' --table public.chunks --profile polite --commit-every 1GB
)text",
        check_copy},
    CommandSpec{
        "verify", "prove that two tables are equal, or name every row that is not",
        R"text(Compares two tables of any layouts, whichever tool made the copy, and names every row that differs:
missing, extra, changed or misplaced, with its identity, its place on both sides and the changed
columns. Columns are mapped as for copy. Both sides are read at once: under one snapshot in one
database, else locked against writes. Servers hash their rows, 64 bits each, and sum them by leaf:
only leaves that differ are streamed. --stream compares 128 bits of every row in the client.
Reads only, but for --repair.
)text",
        R"text(  Does public.chunks_new equal public.chunks?
    pgfanout verify --source 'service=prod' --table public.chunks
  In seconds, without reading all rows:
    pgfanout verify --source 'service=prod' --table public.chunks --quick
  A table on another server that another tool filled, result as JSON:
    pgfanout verify --source 'service=old' --target 'service=new' \
      --table public.chunks --into public.chunks --data --json > result.json
  Every byte in the client, with the digest that copy prints:
    pgfanout verify --source 'service=prod' --table public.chunks --data --stream
  A report that opens in any browser:
    pgfanout verify --source 'service=prod' --table public.chunks --data --report verified.html
  The SQL of a repair, and then the repair:
    pgfanout verify --source 'service=prod' --table public.chunks --data --repair --dry-run
    pgfanout verify --source 'service=prod' --table public.chunks --data --repair
)text",
        check_verify},
    CommandSpec{
        "queries", "the application's queries before and after: results, times, plans",
        R"text(Runs the queries of the job file, and with --statements those that took the most time by
pg_stat_statements: on the table alone (the baseline), on the table and its copy, after a swap on
the backup and the live table. Compares results, p50, p95 and p99, leaves read, indexes used, CPU
and memory of the server's host. Changes nothing: it executes SELECTs in transactions that read
only, and plans all others. A query that failed is exit code 1, one that could not be run is 4.
)text",
        R"text(  Before the window: what is normal?
    pgfanout queries job.toml --json > before.json
  Without a job file: the ten statements that took the most time
    pgfanout queries --source 'service=prod' --table public.chunks --statements 10
  Which indexes would help? --add-to job.toml puts them into the job file
    pgfanout queries job.toml --advise
  After the swap, against the backup:
    pgfanout queries job.toml
  When the backup is gone, against the times of before:
    pgfanout queries job.toml --baseline before.json
)text",
        check_queries_call},
    CommandSpec{
        "swap", "put the new table in the old one's place",
        R"text(Puts the target, loaded and proven by pgfanout run, in the source's place. In one short transaction
both tables, their indexes, constraints and sequences change names, and views change tables. Waits
for each lock no longer than --swap-lock-timeout, then releases all and retries; it names sessions
in the way. The old table stays as <table>_backup_YYYYMMDD_HHMMSS, closed to writes. Then statements
are tried on the new table and rolled back. --dry-run prints the SQL. A gate that waits
stops it, too, with exit code 3. docs/RUNBOOK.md says who decides what, and when to turn back.
)text",
        R"text(  After pgfanout run job.toml:
    pgfanout swap job.toml
  A busy table: shorter waits, for up to ten minutes in all:
    pgfanout swap job.toml --swap-lock-timeout 200ms --swap-within 10min
  Terminate sessions in the way:
    pgfanout swap job.toml --end-blockers
  The job waits at the gate of verify, and a person has checked the result:
    pgfanout swap job.toml --confirm verify
)text",
        check_confirmed},
    CommandSpec{
        "rollback", "undo whatever has been done so far, after a swap too",
        R"text(Undoes the job, from any point: drops what it made, lifts its fence, and after a swap puts the old
table back. Both tables are compared to find rows written since the swap; if there are any, rollback
refuses without --keep-new-rows, --save-new-rows or --force. If it ends before the old table is
back, the swap is still in effect and writes are allowed. Reads the job's settings from the journal.
A second rollback changes nothing. --dry-run prints the SQL. docs/RUNBOOK.md lists every situation
and its way back.
)text",
        R"text(  Back to the state before the job:
    pgfanout rollback job.toml
  After a swap, keeping what the application has written since:
    pgfanout rollback job.toml --keep-new-rows
  After a swap, saving what was written since in a table:
    pgfanout rollback job.toml --save-new-rows
  After a swap, dropping what was written since:
    pgfanout rollback job.toml --force
)text",
        check_rollback},
    CommandSpec{
        "cleanup", "drop the backup once its retention is over",
        R"text(Drops the old table that a swap kept as a backup, once its retention is over: one partition at a
time, without long locks, never with CASCADE. Names the objects that still depend on it. After that
there is no rollback. --dry-run prints the SQL. While a gate behind the swap waits, it ends with
exit code 3; --confirm swap passes it.
)text",
        R"text(  Some time after the swap; refuses until the retention is over:
    pgfanout cleanup job.toml
  Now:
    pgfanout cleanup job.toml --force
)text",
        check_confirmed},
    CommandSpec{
        "status", "the state of a job, from any terminal or machine",
        R"text(Shows the state of the job by the journal in the target's database: stages with their times, the
gate at which it waits, the session that works on it, the backup, and the next command. Reads only.
)text",
        R"text(  What is its state, and what is the next command?
    pgfanout status job.toml
  The live view of a job that runs elsewhere, until it ends:
    pgfanout status job.toml --watch
  For scripts:
    pgfanout status --source 'service=prod' --table public.chunks --json
)text",
        need_table},
    CommandSpec{
        "key", "which key and leaf a value goes to, and whether the server agrees",
        R"text(Computes the key and the leaf of a value, and compares the key with the server's. Reads only.
)text",
        R"text(  Which leaf does this collection go to?
    pgfanout key --source 'service=prod' --table public.chunks \
      --value 7d444840-9dc0-11d1-b245-5ffdce74fad2
  A key over two columns:
    pgfanout key --table documents --key 'abs(hashtext(chapter || path)) % 16' \
      --value chapter=eu --value path=acme
  Do client and server agree on 100,000 values?
    pgfanout key --source 'service=prod' --table public.chunks --check 100000
)text",
        check_key},
};

const CommandSpec kBench = {
    "bench",
    "how fast rows go in: by method, and by who computes the key",
    R"text(Measures how fast rows go into a table, on a throw-away server or on yours: by method (INSERT by
row, by many rows, prepared in a pipeline, COPY as text and binary, fan-out into leaves), by who
computes the key (client, trigger, generated column, partition expression), and by writers, batch,
width and indexes. Reads back and compares after every insertion; a difference is exit code 1.
docs/BENCH.md explains the results. pgfanout-bench, beside pgfanout, does the work.
)text",
    R"text(  All methods, and whether a generated column is faster than a trigger:
    pgfanout bench
  A check that all of it works here, in seconds:
    pgfanout bench --quick --sweep all
  Two methods with 1 to 100 writers on your own server, for later comparison:
    pgfanout bench --source 'service=test' --methods copy_binary,fan_out --sweep writers \
      --json bench.json
  A list of what would be measured, and of what PostgreSQL cannot do:
    pgfanout bench --list --sweep all
)text",
    [](const Invocation&) -> Done { return {}; },
    false};

constexpr std::size_t kPageWidth = 100;
constexpr std::size_t kHelpColumn = 28;

/// `head`, then `text` wrapped into the column that starts at `column`.
std::string beside(std::string head, std::string_view text, std::size_t column = kHelpColumn) {
  std::string page;
  std::string line = std::move(head);
  if (line.size() + 2 > column) page = std::exchange(line, "") + "\n";
  line.resize(column, ' ');
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (line.size() > column && line.size() + 1 + word.size() > kPageWidth) {
      page += std::exchange(line, std::string(column, ' ')) + "\n";
    }
    if (line.size() > column) line += ' ';
    line += word;
  }
  return page + line + "\n";
}

std::string options_help(const std::vector<OptionSpec>& options) {
  std::string page;
  std::string_view group;
  for (const OptionSpec& option : options) {
    if (option.group != group) page += fmt::format("\n{}:\n", group = option.group);
    page += beside(fmt::format("  {} {}", option.name, option.value), option.help);
  }
  return page;
}

std::vector<std::string_view> command_names() {
  std::vector<std::string_view> names;
  for (const CommandSpec& command : kCommands) names.push_back(command.name);
  names.push_back(kBench.name);
  return names;
}

}  // namespace

std::span<const CommandSpec> commands() {
  return kCommands;
}

const CommandSpec* find_command(std::string_view name) {
  if (name == kBench.name) return &kBench;
  const auto found = std::ranges::find(kCommands, name, &CommandSpec::name);
  return found == kCommands.end() ? nullptr : &*found;
}

/// Quotes the name only if it can be no connection string.
Error unknown_command(std::string_view name) {
  const std::vector<std::string_view> names = command_names();
  const std::string all = fmt::format("this version has: {}", fmt::join(names, ", "));
  const bool is_word =
      name.size() < 24 && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
      });
  return refused("usage",
                 is_word ? fmt::format("there is no command '{}'; {}", name, all)
                         : fmt::format("the first word is no command; {}", all),
                 did_you_mean(name, names, "'pgfanout --help' explains them"));
}

std::string general_help() {
  std::string page =
      "pgfanout moves a PostgreSQL table into a new partition layout and proves that nothing was "
      "lost.\n\nUsage: pgfanout COMMAND [JOB.toml] [options]\n\nCommands:\n";
  for (const std::string_view name : command_names()) {
    page += beside(fmt::format("  {}", name), find_command(name)->summary);
  }
  return page + R"(
  pgfanout COMMAND --help     examples and options of a command
  pgfanout help options       options of every command
  pgfanout --version          version, and what it was built with

First steps:
    pgfanout key    --source 'service=prod' --table public.chunks --check 10000
    pgfanout plan   --source 'service=prod' --table public.chunks
    pgfanout run    --source 'service=prod' --table public.chunks
    pgfanout status --source 'service=prod' --table public.chunks --watch
    pgfanout verify --source 'service=prod' --table public.chunks
    pgfanout swap   --source 'service=prod' --table public.chunks

All options can stand in a job file instead, which is TOML: [source] table = "public.chunks", ...
Options on the command line win over it. docs/job.example.toml has every setting, explained.

Passwords belong in a file named by PGPASSFILE (or ~/.pgpass) or in a service file; a connection
string that carries one is refused.

Exit codes:
  0  done, and proven: every check passed
  1  it ran to its end and found differences
  2  could not start or must not go on; the same command would end the same way
  3  stopped part-way, or waiting for a person; nothing is damaged
  4  could not prove it: a check did not run to its end

See also: docs/TUTORIAL.md (fifteen minutes on a throw-away server), docs/RUNBOOK.md (a maintenance
window, with every way back), docs/MESSAGES.md (every message: its meaning, and what to do),
docs/job.example.toml, pgfanout(1).
)";
}

std::string command_help(const CommandSpec& command) {
  std::string page = fmt::format(
      "pgfanout {}: {}\n\n{}\nUsage: pgfanout {}{} [options]\n\nExamples:\n{}{}", command.name,
      command.summary, command.description, command.name, command.has_job ? " [JOB.toml]" : "",
      command.examples, options_help(own_options(command.name)));
  if (!command.has_job) return page;
  std::vector<std::string_view> names;
  for (const OptionSpec& option : job_options()) names.push_back(option.name);
  return page + "\nOptions of every command, explained by 'pgfanout help options':\n" +
         beside("", fmt::format("{}", fmt::join(names, " ")), 2);
}

std::string options_page() {
  return "Options of every command but bench. Most can stand in a job file: "
         "docs/job.example.toml.\n" +
         options_help(job_options());
}

}  // namespace pgfanout

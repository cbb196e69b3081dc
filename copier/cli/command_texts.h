// What the help says about each command: descriptions and examples, wrapped as printed.
#pragma once

#include <string_view>

namespace pgfanout {

inline constexpr std::string_view plan_description =
    R"text(Go or no-go: everything about the window that can be known before it begins. Privileges, settings,
connections, locks, disk, sessions in the way, what cannot be carried over, what changes for the
application, and an estimate of the time. Reads only. Exit code 0 is go, 2 is no-go.
)text";

inline constexpr std::string_view plan_examples =
    R"text(  Can the window begin, and how long will it take?
    pgfanout plan job.toml

  All SQL of all stages in order, nothing executed:
    pgfanout plan job.toml --dry-run > window.sql

  In the window, will it be done by four?
    pgfanout plan job.toml --finish-by 04:00

  Without a job file, going on although a foreign key cannot be carried over:
    pgfanout plan --source 'service=prod' --table public.chunks \
      --accept 'foreign key public.notes.notes_chunk_fkey'
)text";

inline constexpr std::string_view run_description =
    R"text(The whole job: preflight, prepare, copy, index, constraints, analyze, verify, and with --swap the
swap. Each stage is recorded in the target's database. A gate after a stage can wait for a person:
the job then ends with exit code 3, and the same command with --confirm STAGE goes on. A fence keeps
the source as it was copied until swap, rollback or --release. pgfanout rollback undoes all of it.
docs/RUNBOOK.md leads through a window step by step, docs/MESSAGES.md explains every message.
)text";

inline constexpr std::string_view run_examples =
    R"text(  Everything up to the proof; the application notices nothing but refused writes:
    pgfanout run job.toml

  What would be done, all SQL included, nothing executed (as plan --dry-run):
    pgfanout run job.toml --dry-run

  And then the swap, in one go:
    pgfanout run job.toml --swap

  In a window that ends at four, with a report, and stopping in time by itself, resumable:
    pgfanout run job.toml --finish-by 04:00 --stop-at-deadline --report window.html

  Beside other work on the server: slower above 70 % of its processors, paused if a standby lags:
    pgfanout run job.toml --profile polite --threshold cpu=70%:slow \
      --threshold replica_lag=30s:pause

  With everything told to others: a log of events, a command at the end, Prometheus:
    pgfanout run job.toml --events events.jsonl --hook job_finished=/usr/local/bin/tell-the-team \
      --metrics 127.0.0.1:9187

  The job file says [gates] verify = "confirm"; somebody has looked at the result:
    pgfanout run job.toml --swap --confirm verify

  Not tonight. Let the application write again:
    pgfanout run job.toml --release
)text";

inline constexpr std::string_view copy_description =
    R"text(Copies a table into a target with one leaf per partition key, and proves that every row
arrived: rows and digests of what was read, written, committed and read back must agree, leaf by
leaf. Writes to the source are refused while the command runs (reads go on); it is never changed.
Interrupted, by whatever: the same command goes on, and until then a fence keeps the source as it
was; copy --release lifts it and gives the copy up. The target is created from the source's columns
if it does not exist. Primary key, indexes, foreign keys, grants and all
else that belongs to the source are carried over by pgfanout run, not by copy.
)text";

inline constexpr std::string_view copy_examples =
    R"text(  What would happen, all SQL included, nothing executed:
    pgfanout copy --source 'service=prod' --table public.chunks --dry-run

  public.chunks into public.chunks_new, 100 leaves by hash of its first partition column:
    pgfanout copy --source 'service=prod' --table public.chunks

  To another server, with a key of one's own, result as JSON:
    pgfanout copy --source 'service=old' --target 'service=new' \
      --table chunks --into chunks_by_document --partitions 32 \
      --key 'abs(hashtext(document_id::text)) % 32' --json > result.json

  Columns renamed, computed and left out:
    pgfanout copy --source 'service=prod' --table chunks --map legacy_id=id \
      --map "metadata=coalesce(metadata, '{}'::jsonb)" --skip embedding_model

  Slowly, since others use the server; each GB that is committed is safe from interruptions:
    pgfanout copy --source 'service=prod' --table public.chunks --profile polite --commit-every 1GB
)text";

inline constexpr std::string_view verify_description =
    R"text(Proves that two tables are equal, or names every row that is not: missing, extra, changed or
misplaced, with its identity, its place on both sides and the columns that changed. Any layouts, any
tool may have made the copy; columns are mapped as for copy. Both sides are streamed at once: under
one snapshot if they are in one database, else locked against writes meanwhile. Reads only, unless
asked to repair.
)text";

inline constexpr std::string_view verify_examples =
    R"text(  Is public.chunks_new what public.chunks is?
    pgfanout verify --source 'service=prod' --table public.chunks

  In seconds, without reading all rows:
    pgfanout verify --source 'service=prod' --table public.chunks --quick

  A table on another server that another tool filled, result as JSON:
    pgfanout verify --source 'service=old' --target 'service=new' \
      --table public.chunks --into public.chunks --data --json > result.json

  For the record: a report that opens in any browser:
    pgfanout verify --source 'service=prod' --table public.chunks --data --report verified.html

  What would a repair do, and then do it:
    pgfanout verify --source 'service=prod' --table public.chunks --data --repair --dry-run
    pgfanout verify --source 'service=prod' --table public.chunks --data --repair
)text";

inline constexpr std::string_view swap_description =
    R"text(Puts the target, loaded and proven by pgfanout run, in the source's place: one short transaction in
which both tables, their indexes, constraints and sequences change names and views change tables.
Waits for each lock no longer than --swap-lock-timeout, then lets go and tries again; sessions in
the way are named. The old table stays as <table>_backup_YYYYMMDD_HHMMSS, closed to writes. Then
statements are tried on the new table in a transaction that is rolled back. The statements of the
swap itself are printed beforehand by pgfanout plan --dry-run. Who decides what, and when to turn
back: docs/RUNBOOK.md.
)text";

inline constexpr std::string_view swap_examples =
    R"text(  After pgfanout run job.toml:
    pgfanout swap job.toml

  A busy table: shorter waits, for up to ten minutes in all:
    pgfanout swap job.toml --swap-lock-timeout 200ms --swap-within 10min

  Sessions that are in the way are terminated:
    pgfanout swap job.toml --end-blockers
)text";

inline constexpr std::string_view rollback_description =
    R"text(Undoes whatever has been done so far, from any point: drops what the job made, lifts its fence, and
after a swap puts the old table back. Rows that were written since the swap are found by comparing
both tables: rollback refuses if there are any, unless told to keep them, or with --force to give
them up. What the job was asked for is read from the journal. Twice does no harm. docs/RUNBOOK.md
has a table of every situation and its way back.
)text";

inline constexpr std::string_view rollback_examples =
    R"text(  Back to how it was:
    pgfanout rollback job.toml

  After a swap, with what the application has written since:
    pgfanout rollback job.toml --keep-new-rows

  After a swap, and what was written since is not wanted:
    pgfanout rollback job.toml --force
)text";

inline constexpr std::string_view cleanup_description =
    R"text(Drops the old table that a swap left as a backup, once its retention is over: piece by piece,
without long locks, never with CASCADE. What still depends on it is named. There is no rollback
afterwards.
)text";

inline constexpr std::string_view cleanup_examples =
    R"text(  Some time after the swap; refuses as long as the backup is to be kept:
    pgfanout cleanup job.toml

  Now:
    pgfanout cleanup job.toml --force
)text";

inline constexpr std::string_view status_description =
    R"text(Where the job stands, by the journal in the target's database: stages with their times, the gate at
which it waits, the session that works on it, the backup, and the command that goes on. From any
terminal or machine; with --watch as a view that goes on. Reads only.
)text";

inline constexpr std::string_view status_examples =
    R"text(  Where does it stand, and what is the next command?
    pgfanout status job.toml

  The live view of a job that runs elsewhere, until it ends:
    pgfanout status job.toml --watch

  For scripts:
    pgfanout status --source 'service=prod' --table public.chunks --json
)text";

inline constexpr std::string_view key_description =
    R"text(Says which key and which leaf a value goes to, and whether the server computes the same key.
Reads only.
)text";

inline constexpr std::string_view key_examples =
    R"text(  Where does this collection go?
    pgfanout key --source 'service=prod' --table public.chunks \
      --value 7d444840-9dc0-11d1-b245-5ffdce74fad2

  A key over two columns:
    pgfanout key --table documents --key 'abs(hashtext(chapter || path)) % 16' \
      --value chapter=eu --value path=acme

  Do client and server agree on 100,000 values?
    pgfanout key --source 'service=prod' --table public.chunks --check 100000
)text";

inline constexpr std::string_view bench_description =
    R"text(How fast rows go into a table, on a server of its own or on yours: by method (INSERT by row, by many
rows, prepared in a pipeline, COPY as text and binary, fan-out into leaves), by who computes the
key (client, trigger, generated column, partition expression), and by writers, batch, width and
indexes. What arrived is read back and compared after every insertion: a difference is exit code 1.
docs/BENCH.md says how to read it. It is run by pgfanout-bench, which lies beside pgfanout.
)text";

inline constexpr std::string_view bench_examples =
    R"text(  All methods, and whether a generated column is faster than a trigger:
    pgfanout bench

  Does all of it work here? Seconds:
    pgfanout bench --quick --sweep all

  Two methods with 1 to 100 writers on your own server, for later comparison:
    pgfanout bench --source 'service=test' --methods copy_binary,fan_out --sweep writers \
      --json bench.json

  What would be measured, and what PostgreSQL cannot do:
    pgfanout bench --list --sweep all
)text";

}  // namespace pgfanout

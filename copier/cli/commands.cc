#include "copier/cli/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "copier/cli/command_texts.h"
#include "copier/cli/nearest.h"

namespace pgfanout {
namespace {

Result<void> need_table(const Invocation& invocation) {
  if (!invocation.job.table.empty()) return {};
  return refused("usage", invocation.command + " needs --table",
                 "name the source table, for example --table public.chunks, or a job file with "
                 "[source] table = \"public.chunks\"");
}

Result<void> check_release(const Invocation& invocation) {
  if (!invocation.job.window.release || !invocation.job.restart) return {};
  return refused("usage",
                 "--release only lifts the fence, --restart begins anew: they exclude each other",
                 "leave one of them out");
}

Result<void> check_copy(const Invocation& invocation) {
  PGFANOUT_TRY(need_table(invocation));
  PGFANOUT_TRY(check_release(invocation));
  if (invocation.job.window.release && invocation.job.dry_run) {
    return refused("usage", "--dry-run prints the copy as if it had not begun; nothing was done",
                   "use it without --release");
  }
  if (invocation.job.restart && invocation.job.append) {
    return refused("usage",
                   "--restart drops the target, --append keeps it: they exclude each other",
                   "leave one of them out");
  }
  return {};
}

Result<void> check_verify(const Invocation& invocation) {
  const VerifyRequest& verify = invocation.job.verify;
  if (verify.install_views) return {};
  PGFANOUT_TRY(need_table(invocation));
  const VerifyScope scope = verify.scope.value_or(VerifyScope::full);
  if (verify.repair && scope != VerifyScope::data && scope != VerifyScope::full) {
    return refused("usage", "--repair needs to know every row that differs",
                   "use it with --data or --full");
  }
  return {};
}

Result<void> check_key(const Invocation& invocation) {
  PGFANOUT_TRY(need_table(invocation));
  if (invocation.key.values.empty() && invocation.key.check == 0) {
    return refused("usage", "key needs a question",
                   "ask with --value VALUE, or compare with the server with --check 10000");
  }
  return {};
}

/// A dry run that did the work after all would be the worst surprise of all.
Result<void> check_has_no_dry_run(const Invocation& invocation) {
  PGFANOUT_TRY(need_table(invocation));
  if (!invocation.job.dry_run) return {};
  return refused("usage",
                 invocation.command + " has no --dry-run in this version; nothing was done",
                 "'pgfanout plan --dry-run' prints all SQL of a window before it begins, that of "
                 "the swap included; 'pgfanout status' tells where the job stands");
}

/// What was written since the swap is either kept or given up.
Result<void> check_rollback(const Invocation& invocation) {
  PGFANOUT_TRY(check_has_no_dry_run(invocation));
  const WindowRequest& window = invocation.job.window;
  if (!window.force || !window.keep_new_rows) return {};
  return refused("usage",
                 "--keep-new-rows keeps what was written since the swap, --force gives it up: they "
                 "exclude each other",
                 "leave one of them out");
}

/// Lifting the fence and going on with the job are opposites.
Result<void> check_run(const Invocation& invocation) {
  PGFANOUT_TRY(need_table(invocation));
  const WindowRequest& window = invocation.job.window;
  if (window.release && !window.confirmed.empty()) {
    return refused("usage",
                   "--release gives the job up, --confirm goes on: they exclude each other",
                   "leave one of them out");
  }
  PGFANOUT_TRY(check_release(invocation));
  if (invocation.job.dry_run && (window.release || invocation.job.restart)) {
    return refused("usage", "--dry-run prints the window as if it had not begun; nothing was done",
                   "use it without --release and --restart");
  }
  return {};
}

const std::array table = {
    CommandSpec{"plan", "go or no-go: what stands in the way, what changes, how long it takes",
                plan_description, plan_examples, plan_options(), need_table},
    CommandSpec{"run", "the whole job up to the proof; with --swap also the swap", run_description,
                run_examples, run_options(), check_run},
    CommandSpec{"copy", "copy a table into a new partition layout, and prove the copy",
                copy_description, copy_examples, copy_options(), check_copy},
    CommandSpec{"verify", "prove that two tables are equal, or name every row that is not",
                verify_description, verify_examples, verify_options(), check_verify},
    CommandSpec{"swap", "put the new table in the old one's place", swap_description, swap_examples,
                swap_options(), check_has_no_dry_run},
    CommandSpec{"rollback", "undo whatever has been done so far, after a swap too",
                rollback_description, rollback_examples, rollback_options(), check_rollback},
    CommandSpec{"cleanup", "drop the backup once its retention is over", cleanup_description,
                cleanup_examples, cleanup_options(), check_has_no_dry_run},
    CommandSpec{"status", "where the job stands, from any terminal or machine", status_description,
                status_examples, status_options(), need_table},
    CommandSpec{"key", "which key and leaf a value goes to, and whether the server agrees",
                key_description, key_examples, key_options(), check_key},
};

const CommandSpec bench = {"bench",
                           "how fast rows go in: by method, and by who computes the key",
                           bench_description,
                           bench_examples,
                           bench_options(),
                           [](const Invocation&) { return Result<void>(); },
                           false};

}  // namespace

const CommandSpec& bench_command() {
  return bench;
}

std::span<const CommandSpec> commands() {
  return table;
}

const CommandSpec* find_command(std::string_view name) {
  if (name == bench.name) return &bench;
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const CommandSpec& command) { return command.name == name; });
  return found == table.end() ? nullptr : &*found;
}

std::vector<OptionSpec> options_of(const CommandSpec& command) {
  std::vector<OptionSpec> all(command.own_options.begin(), command.own_options.end());
  if (command.has_job) all.insert(all.end(), job_options().begin(), job_options().end());
  return all;
}

/// The name is quoted only if it can be no connection string.
Error unknown_command(std::string_view name) {
  std::vector<std::string_view> names;
  names.reserve(table.size() + 1);
  for (const CommandSpec& command : table) names.push_back(command.name);
  names.push_back(bench.name);
  const std::string all = fmt::format("this version has: {}", fmt::join(names, ", "));
  const bool is_word =
      name.size() < 24 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
      });
  return refused("usage",
                 is_word ? fmt::format("there is no command '{}'; {}", name, all)
                         : fmt::format("the first word is no command; {}", all),
                 did_you_mean(name, names, "'pgfanout --help' explains them"));
}

}  // namespace pgfanout

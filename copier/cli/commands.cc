#include "copier/cli/commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "copier/cli/nearest.h"

namespace pgfanout {
namespace {

constexpr std::string_view copy_description =
    R"text(Copies a table into a target with one leaf per partition key, and proves that every row
arrived: rows and digests of what was read, written, committed and read back must agree, leaf by
leaf. The source is locked against writes while the command runs (reads go on) and never changed.
The target is created from the source's columns if it does not exist. Its primary key, indexes and
foreign keys are not carried over by this version.
)text";

constexpr std::string_view copy_examples =
    R"text(  What would happen, all SQL included, nothing executed:
    pgfanout copy --source 'service=prod' --table public.chunks --dry-run

  public.chunks into public.chunks_new, 100 leaves by hash of its first partition column:
    pgfanout copy --source 'service=prod' --table public.chunks

  To another server, with a key of one's own, result as JSON:
    pgfanout copy --source 'host=old dbname=app' --target 'host=new dbname=app' \
      --table chunks --into chunks_by_tenant --partitions 32 \
      --key 'abs(hashtext(tenant_id::text)) % 32' --json > result.json

  Columns renamed, computed and left out:
    pgfanout copy --source 'service=prod' --table chunks --map legacy_id=id \
      --map "metadata=coalesce(metadata, '{}'::jsonb)" --skip scratch
)text";

constexpr std::string_view verify_description =
    R"text(Proves that two tables are equal, or names every row that is not: missing, extra, changed or
misplaced, with its identity, its place on both sides and the columns that changed. Any layouts, any
tool may have made the copy; columns are mapped as for copy. Both sides are streamed at once: under
one snapshot if they are in one database, else locked against writes meanwhile. Reads only, unless
asked to repair.
)text";

constexpr std::string_view verify_examples =
    R"text(  Is public.chunks_new what public.chunks is?
    pgfanout verify --source 'service=prod' --table public.chunks

  In seconds, without reading all rows:
    pgfanout verify --source 'service=prod' --table public.chunks --quick

  A table on another server that another tool filled, result as JSON:
    pgfanout verify --source 'host=old dbname=app' --target 'host=new dbname=app' \
      --table public.chunks --into public.chunks --data --json > result.json

  What would a repair do, and then do it:
    pgfanout verify --source 'service=prod' --table public.chunks --data --repair --dry-run
    pgfanout verify --source 'service=prod' --table public.chunks --data --repair
)text";

constexpr std::string_view key_description =
    R"text(Says which key and which leaf a value goes to, and whether the server computes the same key.
Reads only.
)text";

constexpr std::string_view key_examples =
    R"text(  Where does this collection go?
    pgfanout key --source 'service=prod' --table public.chunks \
      --value 7d444840-9dc0-11d1-b245-5ffdce74fad2

  A key over two columns:
    pgfanout key --table events --key 'abs(hashtext(region || tenant)) % 16' \
      --value region=eu --value tenant=acme

  Do client and server agree on 100,000 values?
    pgfanout key --source 'service=prod' --table public.chunks --check 100000
)text";

Result<void> need_table(const Invocation& invocation) {
  if (!invocation.job.table.empty()) return {};
  return refused("usage", invocation.command + " needs --table",
                 "name the source table, for example --table public.chunks");
}

Result<void> check_copy(const Invocation& invocation) {
  PGFANOUT_TRY(need_table(invocation));
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
  if (verify.repair && verify.scope != VerifyScope::data && verify.scope != VerifyScope::full) {
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

const std::array table = {
    CommandSpec{"copy",
                "copy a table into a new partition layout, and prove the copy",
                copy_description,
                copy_examples,
                {},
                check_copy},
    CommandSpec{"verify", "prove that two tables are equal, or name every row that is not",
                verify_description, verify_examples, verify_options(), check_verify},
    CommandSpec{"key", "which key and leaf a value goes to, and whether the server agrees",
                key_description, key_examples, key_options(), check_key},
};

}  // namespace

std::span<const CommandSpec> commands() {
  return table;
}

const CommandSpec* find_command(std::string_view name) {
  const auto found = std::find_if(table.begin(), table.end(),
                                  [&](const CommandSpec& command) { return command.name == name; });
  return found == table.end() ? nullptr : &*found;
}

/// The name is quoted only if it can be no connection string.
Error unknown_command(std::string_view name) {
  std::vector<std::string_view> names;
  for (const CommandSpec& command : table) names.push_back(command.name);
  const std::string_view nearest = nearest_name(name, names);
  const std::string all = fmt::format("this version has: {}", fmt::join(names, ", "));
  const bool is_word =
      name.size() < 24 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
      });
  return refused("usage",
                 is_word ? fmt::format("there is no command '{}'; {}", name, all)
                         : fmt::format("the first word is no command; {}", all),
                 nearest.empty() ? "'pgfanout --help' explains them"
                                 : fmt::format("did you mean {}?", nearest));
}

}  // namespace pgfanout

// The options of the verify command alone, and what job files say in their place.
#include <array>

#include "copier/cli/option_table.h"
#include "copier/cli/values.h"

namespace pgfanout {
namespace {

using Text = std::string_view;
using Done = Result<void>;

constexpr Text scope = "What is verified";

Done set_scope(Invocation& to, VerifyScope wanted) {
  if (to.verify_scopes++ > 0) {
    return refused("usage", "only one of --quick, --data, --schema and --full is possible",
                   "--full has all of --data and --schema");
  }
  to.job.verify.scope = wanted;
  return {};
}

Done set_scope_by_name(Text name, Invocation& to) {
  constexpr std::array<Text, 4> names = {"quick", "data", "schema", "full"};
  constexpr std::array scopes = {VerifyScope::quick, VerifyScope::data, VerifyScope::schema,
                                 VerifyScope::full};
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (name != names.at(i)) continue;
    to.job.verify.scope = scopes.at(i);
    return {};
  }
  return bad_value("quick, data, schema or full", name);
}

// clang-format off
const std::array options = {
    OptionSpec{scope, "--quick", "", "Counts, bounds, constraints, sequences, a sample of rows: seconds on any size", false,
               [](Text, Invocation& to) { return set_scope(to, VerifyScope::quick); }},
    OptionSpec{scope, "--data", "", "Every byte and every key of both sides, and what refers to what", false,
               [](Text, Invocation& to) { return set_scope(to, VerifyScope::data); }},
    OptionSpec{scope, "--schema", "", "What belongs to the tables: columns, constraints, indexes, triggers, grants, ...", false,
               [](Text, Invocation& to) { return set_scope(to, VerifyScope::schema); }},
    OptionSpec{scope, "--full", "", "Data and schema. The default", false,
               [](Text, Invocation& to) { return set_scope(to, VerifyScope::full); }},
    OptionSpec{scope, "--repair", "", "Make the target equal, touching only rows that differ, then verify again. With --dry-run: print the SQL", false,
               [](Text, Invocation& to) -> Done { to.job.verify.repair = true; return {}; }},
    OptionSpec{scope, "--install-views", "", "Only install views, in schema pgfanout of the target's database, that watch partitions and their skew", false,
               [](Text, Invocation& to) -> Done { to.job.verify.install_views = true; return {}; }},
};

const std::array only_in_job_files = {
    OptionSpec{scope, "", "WHAT", "What verify looks at unless an option says so: quick, data, schema or full", false,
               set_scope_by_name, "verify.scope", JobValue::text},
};
// clang-format on

}  // namespace

OptionTable verify_options() {
  return options;
}

OptionTable job_file_options() {
  return only_in_job_files;
}

}  // namespace pgfanout

#include "copier/cli/add_indexes.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>

#include "copier/base/counted.h"
#include "copier/base/toml_string.h"
#include "copier/catalog/index_definition.h"
#include "copier/cli/job_file.h"

namespace pgfanout {
namespace {

/// The index without its name, which may be another one in the file.
std::string body_of(const std::string& definition) {
  const auto parsed = parse_index_definition(definition);
  return parsed ? parsed->on("", "") : definition;
}

Error cannot_add(const std::string& path, std::string message) {
  return refused("job-file", std::move(message), "add the indexes by hand; they are printed above",
                 path);
}

}  // namespace

Result<std::string> indexes_to_add(std::string_view text, std::string_view file,
                                   const std::vector<IndexAdvice>& advice) {
  Invocation before;
  PGFANOUT_TRY(apply_job_text(text, file, before));
  std::set<std::string> known;
  for (const std::string& index : before.job.target.indexes) known.insert(body_of(index));
  std::string added;
  for (const IndexAdvice& each : advice) {
    if (each.kind == "key-condition" || !known.insert(body_of(each.definition)).second) continue;
    added += fmt::format(
        "\n# Advised by pgfanout queries, priority {}: {}\n[[target.indexes]]\n"
        "definition = {}\n",
        each.priority, toml_string(each.query), toml_string(each.definition));
  }
  if (added.empty()) return added;
  if (!text.empty() && text.back() != '\n') added.insert(0, "\n");
  Invocation after;
  PGFANOUT_TRY(apply_job_text(std::string(text) + added, file, after));
  return added;
}

Result<Issue> add_indexes(const std::string& path, const std::vector<IndexAdvice>& advice) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file)
    return cannot_add(path, fmt::format("the job file cannot be read: {}", strerror(errno)));
  auto added = indexes_to_add(text, path, advice);
  if (!added) {
    return cannot_add(path, "the indexes cannot be added: " + added.error().message);
  }
  if (!added->empty()) {
    std::ofstream to(path, std::ios::binary | std::ios::app);
    to << *added << std::flush;
    if (!to) return cannot_add(path, fmt::format("cannot write: {}", strerror(errno)));
  }
  std::uint64_t count = 0;
  for (std::size_t at = 0; (at = added->find("\ndefinition = ", at)) != std::string::npos; ++at)
    ++count;
  return Issue{Severity::info,
               "indexes-added",
               count == 0 ? "the job file has all advised indexes already"
                          : counted(count, "index was", "indexes were") + " added to the job file",
               path,
               {}};
}

}  // namespace pgfanout

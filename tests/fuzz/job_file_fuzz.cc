// Fuzz target: any bytes as a job file. It is refused with a code, a message and a place in the
// file, or it is taken over; reading it twice gives the same. Nothing that looks like a planted
// password comes back in a message. Aborts otherwise.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "copier/cli/job_file.h"
#include "pgfanout/bytes.h"

namespace {

using pgfanout::Invocation;
using pgfanout::JobDescription;

constexpr std::string_view secret = "hunter2";

[[noreturn]] void fail(const char* what, std::string_view detail) {
  std::fprintf(stderr, "%s\n%.*s\n", what, static_cast<int>(detail.size()), detail.data());
  std::abort();
}

/// Everything that can differ, in one text.
std::string image(const Invocation& call) {
  const JobDescription& job = call.job;
  std::string text = job.source_dsn + "\n" + job.target_dsn.value_or("-") + "\n" + job.table +
                     "\n" + job.into + "\n" + job.key + "\n" + job.key_column + "\n";
  for (const auto& mapping : job.map) text += mapping.column + "=" + mapping.sql + "\n";
  for (const auto& column : job.skip) text += column + "\n";
  for (const auto& stage : job.window.confirm_at) text += stage + "\n";
  for (const auto& name : job.window.accept) text += name + "\n";
  for (const auto& [name, sql] : job.window.views) text += name + "=" + sql + "\n";
  for (const auto& query : job.window.queries) {
    text += query.name + query.sql + query.target_sql + std::to_string(query.runs) +
            std::to_string(query.max_partitions.value_or(0)) +
            std::to_string(query.max_ratio.value_or(0)) + "\n";
  }
  for (const std::uint64_t number :
       {std::uint64_t{job.partitions.value_or(0)}, std::uint64_t{job.readers.value_or(0)},
        std::uint64_t{job.writers.value_or(0)}, job.memory_bytes, job.reject_limit.rows,
        std::uint64_t{job.window.retention_days}, job.window.maintenance_work_bytes.value_or(0)}) {
    text += std::to_string(number) + " ";
  }
  return text;
}

void check_error(const pgfanout::Error& error) {
  if (error.code != "job-file" && error.code != "password-in-job-file" &&
      error.code != "password-in-dsn" && error.code != "bad-dsn") {
    fail("an error of no known code", error.code);
  }
  if (error.consequence != pgfanout::Consequence::refuse) fail("not refused", error.message);
  if (error.message.empty()) fail("an error without a message", error.code);
  if (!error.where.starts_with("fuzz.toml:")) fail("an error without its place", error.message);
}

/// A password in a place of its own never comes back; elsewhere a value may be quoted.
void check_secret(std::string_view text, const pgfanout::Error& error) {
  const bool is_alone =
      text.find("password") != std::string_view::npos && text.find(secret) == text.rfind(secret);
  const std::string all = error.message + error.where + error.hint;
  if (is_alone && error.code.starts_with("password") && all.find(secret) != std::string::npos) {
    fail("a password came back", all);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = pgfanout::as_text({data, size});
  Invocation first;
  Invocation second;
  const auto done = pgfanout::apply_job_text(text, "fuzz.toml", first);
  const auto again = pgfanout::apply_job_text(text, "fuzz.toml", second);
  if (done.has_value() != again.has_value() || image(first) != image(second)) {
    fail("two readings differ", image(first));
  }
  if (done) return 0;
  check_error(done.error());
  check_secret(text, done.error());
  return 0;
}

// Fuzz target: any bytes as what the journal holds of a job: its request, and digests. A request is
// taken over as far as it is one; what is taken over and written again reads the same. A digest is
// read as it was written, or not at all. Aborts otherwise.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "copier/journal/job_request.h"
#include "hashing/row_digest.h"
#include "pgfanout/bytes.h"

namespace {

[[noreturn]] void fail(const char* what, std::string_view detail) {
  std::fprintf(stderr, "%s\n%.*s\n", what, static_cast<int>(detail.size()), detail.data());
  std::abort();
}

void check_request(const std::string& text) {
  const pgfanout::JobDescription job = pgfanout::with_request({}, text);
  const std::string again = pgfanout::request_of(job, job.key);
  const pgfanout::JobDescription twice = pgfanout::with_request({}, again);
  if (pgfanout::request_of(twice, twice.key) != again)
    fail("a request does not read the same", again);
  if (!pgfanout::request_differences(again, again).empty())
    fail("a request differs from itself", again);
}

void check_digest(std::string_view text) {
  const auto digest = pgfanout::MultisetDigest::parse(text.size(), text);
  if (!digest) return;
  if (digest->rows() != text.size()) fail("a digest lost its rows", text);
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  if (digest->hex() != lower) fail("a digest does not read the same", text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(pgfanout::as_text({data, size}));
  check_request(text);
  check_digest(text);
  check_digest(std::string_view(text).substr(0, 32));
  return 0;
}

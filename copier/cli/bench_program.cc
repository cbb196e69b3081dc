#include "copier/cli/bench_program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

namespace pgfanout {
namespace {

constexpr const char* kName = "pgfanout-bench";

}  // namespace

Result<std::string> find_bench_program(const std::string& directory) {
  const std::string beside = directory + "/" + kName;
  const std::string installed = directory + "/../libexec/pgfanout/" + kName;
  for (const std::string& path : {beside, installed}) {
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return refused("no-bench", fmt::format("{}, which measures, is not here", kName),
                 fmt::format("build it (cmake --build --preset release --target {}) and put it "
                             "beside pgfanout, or install all with cmake --install build/release",
                             kName),
                 beside + ", " + installed);
}

Error become_bench_program(std::span<const std::string> words) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return refused("no-bench", "cannot tell where pgfanout itself is: " + error.message());
  auto program = find_bench_program(self.parent_path().string());
  if (!program) return std::move(program).error();
  std::vector<char*> argv = {program->data()};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execv(program->c_str(), argv.data());
  return refused("no-bench", fmt::format("cannot start {}: {}", kName, strerror(errno)), {},
                 *program);
}

}  // namespace pgfanout

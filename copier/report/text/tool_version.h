// The program's own version, and what built it.
#pragma once

#include <string>
#include <string_view>

namespace pgfanout {

/// As the CMake project says, for example "0.1.0".
[[nodiscard]] std::string_view tool_version();
/// For example "g++ 12.2.0".
[[nodiscard]] std::string compiler();

/// Says what it was built from, before any thread starts; only the program itself knows.
void name_commit(std::string commit);
/// The page that --version prints. `libpq`: the version that it runs with.
[[nodiscard]] std::string version_page(std::string_view libpq);

}  // namespace pgfanout

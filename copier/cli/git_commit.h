// The commit that the program was built from. Its definition is made at every build, and belongs to
// the program alone: no library is compiled or linked anew for a commit.
#pragma once

namespace pgfanout {

/// "2d8d53a50951", with "-dirty" if files differed from it; empty outside a git tree.
extern const char* const git_commit;

}  // namespace pgfanout

// A benchmark compares its result with a reference before it times: a wrong result ends the
// program.
#pragma once

#include <cstdio>
#include <cstdlib>

namespace pgfanout {

/// Prints `failure` and aborts unless `holds`.
inline void require(bool holds, const char* failure) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", failure);
  std::abort();
}

}  // namespace pgfanout

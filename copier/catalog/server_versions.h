// Versions of PostgreSQL, as server_version() counts them, since which something is there.
#pragma once

namespace pgfanout {

inline constexpr int kFirstWithSchemaPublications = 150000;
inline constexpr int kFirstWithUnvalidatedParents = 180000;

}  // namespace pgfanout

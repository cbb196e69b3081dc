// Advice for a connection that could not be made, by the words of libpq, the server or a pooler:
// none of them has a code. Words that differ between versions are not relied upon.
#pragma once

#include <string_view>

namespace pgfanout {

inline constexpr std::string_view kNoConnectionLeft =
    "the server has no connection left: lower --writers or --readers";
inline constexpr std::string_view kNoBackendLeft =
    "the pooler has no backend left: raise its pool (pgbouncer: pool_size and max_client_conn), "
    "lower --writers or --readers, or connect to the server itself";

/// `message` is the whole text, of all attempts. Never empty.
[[nodiscard]] std::string_view connect_hint(std::string_view message);

}  // namespace pgfanout

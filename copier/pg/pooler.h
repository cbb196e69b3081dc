// Poolers between this program and the server. One in session mode gives each client a backend of
// its own; others hand the same backend to every client in turn, where a setting, a lock or a
// temporary table of ours would be the application's.
#pragma once

#include <vector>

#include "copier/pg/connection.h"
#include "pgfanout/result.h"

namespace pgfanout {

/// The backends that answered the statements of two clients, in turn: whether each client has one
/// of its own.
[[nodiscard]] bool has_own_backends(const std::vector<int>& one, const std::vector<int>& other);

/// The same, asked of two open connections to one pooler, neither of which is in a transaction.
/// Refuses where the pooler has no backend for the second one within five seconds.
Result<bool> has_own_backends(pg_conn* one, pg_conn* other);

/// How many backends more a pooler in session mode gives at once, up to `wanted`.
[[nodiscard]] int backends_at_once(const ConnectOptions& options, int wanted);

}  // namespace pgfanout

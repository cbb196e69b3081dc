// Turns what libpq reports into an Error, without row data: DETAIL and CONTEXT may quote a row.
#pragma once

#include <string>
#include <string_view>

#include "pgfanout/result.h"

struct pg_conn;
struct pg_result;

namespace pgfanout {

/// The consequence of a server error by its SQLSTATE (PostgreSQL's appendix A): data that cannot go
/// in, missing objects and privileges refuse; lost connections, full disks and shutdowns interrupt.
[[nodiscard]] Consequence consequence_of(std::string_view sqlstate);

/// Whether a retry may succeed: the connection or the server's process was lost, the server starts
/// or stops, or other sessions held locks or connections. The data is not the reason.
[[nodiscard]] bool is_transient(const Error& error);

/// The error of a finished statement. `doing` says what was tried: "read the catalog".
[[nodiscard]] Error error_of_result(const pg_result* result, std::string_view doing);

/// The error of a connection that broke or could not be made.
[[nodiscard]] Error error_of_connection(const pg_conn* connection, std::string_view doing);

}  // namespace pgfanout

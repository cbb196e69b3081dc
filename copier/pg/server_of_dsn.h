// The parts of a connection string that name its server and may be shown to anybody.
#pragma once

#include <string>
#include <string_view>

namespace pgfanout {

/// "host=db1 port=5432 dbname=app user=mover" or "service=main": only such parts as were given.
/// Empty: none was, and libpq's environment decides.
[[nodiscard]] std::string server_of_dsn(const std::string& dsn);

}  // namespace pgfanout

#include "copier/watch/host_look.h"

#include "copier/catalog/relation_name.h"

#include <fmt/format.h>

namespace pgfanout {
namespace {

/// Two rights are needed: one to the function, one to files outside the server's folder.
constexpr const char* kRightsSql =
    "SELECT has_function_privilege('pg_read_file(text,bigint,bigint)',"
    "  'EXECUTE') AND pg_has_role('pg_read_server_files', 'USAGE'),"
    " current_user, current_database(), COALESCE(inet_client_port()::text, '')";

constexpr const char* kReadSql =
    "SELECT pg_read_file('/proc/stat', 0, 512), pg_read_file('/proc/meminfo', 0, 1024)";

/// A process of this host with the number and the title of the connection's own backend.
bool is_backend_here(const Connection& connection, const Rows& session) {
  std::string title =
      head_of_file(fmt::format("/proc/{}/cmdline", connection.backend_pid()).c_str());
  const std::string port = session.str(0, 3);
  const std::string who = fmt::format("{} {} {}", session.text(0, 1), session.text(0, 2),
                                      port.empty() ? "[local]" : "");
  return title.starts_with("postgres: ") && title.find(who) != std::string::npos &&
         (port.empty() || title.find("(" + port + ")") != std::string::npos);
}

}  // namespace

Result<HostLook> HostLook::open(Connection& connection, bool is_here) {
  HostLook look;
  PGFANOUT_TRY_ASSIGN(const Rows session, connection.query(kRightsSql));
  if (session.boolean(0, 0)) {
    const auto read = connection.query(kReadSql);
    const bool is_linux =
        read && cpu_ticks_of(read->text(0, 0)) && memory_used_of(read->text(0, 1));
    if (is_linux) look.way_ = Way::server;
    if (is_linux) look.cpu_.look(cpu_ticks_of(read->text(0, 0)));
    if (!is_linux) look.unmeasurable_ = "the target's host has no readable /proc";
  } else if (is_here || is_backend_here(connection, session)) {
    look.way_ = Way::here;
    look.cpu_.look(cpu_ticks_of(head_of_file("/proc/stat")));
  } else {
    const std::string role = quoted_name(session.text(0, 1));
    look.unmeasurable_ = fmt::format(
        "role {0} may not read the /proc of the target's host: GRANT pg_read_server_files TO {0};"
        " GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text, bigint, bigint) TO {0}",
        role);
  }
  return look;
}

Result<HostFigures> HostLook::look(Connection& connection) {
  HostFigures figures;
  if (way_ == Way::none) return figures;
  std::string stat;
  std::string memory;
  if (way_ == Way::server) {
    PGFANOUT_TRY_ASSIGN(const Rows read, connection.query(kReadSql));
    stat = read.str(0, 0);
    memory = read.str(0, 1);
  } else {
    stat = head_of_file("/proc/stat");
    memory = head_of_file("/proc/meminfo");
  }
  figures.cpu = cpu_.look(cpu_ticks_of(stat));
  figures.memory = memory_used_of(memory);
  return figures;
}

}  // namespace pgfanout

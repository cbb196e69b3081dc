#include "copier/pg/connect_hint.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace pgfanout {
namespace {

/// The first one that fits counts.
constexpr std::pair<std::string_view, std::string_view> kHints[] = {
    {"password authentication failed",
     "the password is wrong, or the role does not exist: check the file named by PGPASSFILE (or "
     "~/.pgpass) or the service file that the password comes from"},
    {"no password supplied",
     "put the password into a file named by PGPASSFILE (or ~/.pgpass), or use a service file"},
    // TLS. OpenSSL has one text for a wrong CA and a certificate that has expired.
    {"server does not support SSL",
     "set ssl = on at the server (a pooler has a setting of its own), or sslmode=prefer or disable "
     "for a connection without encryption"},
    {"root certificate file",
     "name the file with the certificate of the server's CA by sslrootcert, or PGSSLROOTCERT"},
    {"certificate verify failed",
     "the CA in the file of sslrootcert did not sign the server's certificate, or it has expired: "
     "'openssl s_client -starttls postgres -connect HOST:PORT' shows it"},
    {"does not match host name",
     "give host the name that the certificate has, and hostaddr the address; or check the CA "
     "alone: sslmode=verify-ca"},
    {"requires a valid client certificate",
     "name the role's certificate and its key by sslcert and sslkey"},
    {"certificate authentication failed",
     "the name in the certificate of sslcert must be the role, or be mapped to it by "
     "pg_ident.conf"},
    {"private key file",
     "check sslkey: the file must exist, belong to this user or root, and be readable to nobody "
     "else (chmod 600)"},
    {"certificate file", "check the file that sslcert names"},
    {"alert", "the server refused the certificate of sslcert, or the version of TLS: see its log"},
    {"SSL error", "check sslmode, sslrootcert, sslcert and sslkey; the server's log says more"},
    {"channel binding",
     "channel_binding=require needs TLS and a role with a SCRAM password: check sslmode and "
     "password_encryption, or use channel_binding=prefer"},
    {"pg_hba.conf rejects",
     "the first line of pg_hba.conf that fits says reject: change the lines"},
    {"SSL encryption",
     "add a line for this host, role and database to pg_hba.conf, and reload the server"},
    {"no pg_hba.conf entry",
     "add a line for this host, role and database to pg_hba.conf, and reload the server; if its "
     "line is hostssl, use sslmode=require"},
    {"definition of service",
     "check the name (service, or PGSERVICE), and PGSERVICEFILE, ~/.pg_service.conf and "
     "pg_service.conf in PGSYSCONFDIR, where it is looked for"},
    {"service file", "check PGSERVICEFILE: the file must exist and be readable to this user"},
    {"unsupported startup parameter",
     "a pooler refuses a parameter: unset PGOPTIONS, or name it in ignore_startup_parameters of "
     "pgbouncer"},
    {"max_client_conn", kNoBackendLeft},
    {"query_wait_timeout", kNoBackendLeft},
    {"permission denied for database", "GRANT CONNECT ON DATABASE to this role"},
    {"not permitted to log in", "ALTER ROLE ... LOGIN, or connect as another role"},
    {"does not exist", "check the name in the connection string"},
    {"no such database", "check the name in the connection string, and [databases] of the pooler"},
    {"too many", kNoConnectionLeft},
    {"remaining connection slots", kNoConnectionLeft},
    {"could not translate host name", "check host in the connection string, and the name server"},
    {"", "check host, port and pg_hba.conf; psql with the same connection string must work"}};

}  // namespace

std::string_view connect_hint(std::string_view message) {
  return std::find_if(
             std::begin(kHints), std::end(kHints),
             [&](const auto& hint) { return message.find(hint.first) != std::string_view::npos; })
      ->second;
}

}  // namespace pgfanout

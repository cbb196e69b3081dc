// Texts as libpq 13 to 18, the server and pgbouncer have them.
#include "copier/pg/connect_hint.h"

#include <gmock/gmock.h>

#include "copier/pg/pooler.h"

namespace pgfanout {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ConnectHint, NamesTheSettingThatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"server does not support SSL, but SSL was required", "ssl = on"},
      {"root certificate file \"/home/x/.postgresql/root.crt\" does not exist\nEither provide the "
       "file or change sslmode to disable server certificate verification.",
       "sslrootcert"},
      {"could not read root certificate file \"a.crt\": no certificate or crl found",
       "sslrootcert"},
      {"SSL error: certificate verify failed", "did not sign the server's certificate"},
      {"server certificate for \"db.test\" (and 1 other name) does not match host name \"db2\"",
       "sslmode=verify-ca"},
      {"server certificate for \"db.test\" does not match host name \"db2\"", "give host the name"},
      {"FATAL:  connection requires a valid client certificate", "sslcert and sslkey"},
      {"FATAL:  certificate authentication failed for user \"x\"", "pg_ident.conf"},
      {"certificate present, but not private key file \"b.key\"", "sslkey"},
      {"private key file \"b.key\" has group or world access; file must have permissions u=rw "
       "(0600) or less if owned by the current user",
       "chmod 600"},
      {"could not read certificate file \"b.crt\": no start line", "sslcert"},
      {"SSL error: tlsv1 alert unknown ca", "certificate of sslcert"},
      {"SSL error: unsupported protocol", "sslmode"},
      {"channel binding required, but server authenticated client without channel binding",
       "channel_binding=prefer"},
      {"channel binding is required, but client does not support it", "channel_binding"},
      {"FATAL:  pg_hba.conf rejects connection for host \"127.0.0.1\", user \"a\", database \"d\", "
       "SSL encryption",
       "reject"},
      {"FATAL:  no pg_hba.conf entry for host \"::1\", user \"a\", database \"d\", no encryption",
       "sslmode=require"},
      {"FATAL:  no pg_hba.conf entry for host \"::1\", user \"a\", database \"d\", SSL off",
       "sslmode=require"},
      {"definition of service \"none\" not found", "PGSERVICEFILE"},
      {"service file \"/nix\" not found", "PGSERVICEFILE"},
      {"FATAL:  unsupported startup parameter: options", "ignore_startup_parameters"},
      {"FATAL:  no more connections allowed (max_client_conn)", "pool_size"},
      {"FATAL:  query_wait_timeout", "pool_size"},
      {"fe_sendauth: no password supplied", "PGPASSFILE"},
      {"FATAL:  role \"x\" is not permitted to log in", "LOGIN"},
      {"FATAL:  database \"x\" does not exist", "check the name"},
      {"FATAL:  sorry, too many clients already", "--writers"},
      {"FATAL:  too many connections for role \"x\"", "--writers"},
      {"timeout expired", "psql with the same connection string"}};
  for (const auto& [message, hint] : cases) {
    EXPECT_THAT(std::string(connect_hint(message)), HasSubstr(hint)) << message;
  }
}

/// With sslmode=prefer libpq tries twice, and the first attempt has the reason.
TEST(ConnectHint, GoesByAllAttempts) {
  EXPECT_THAT(std::string(connect_hint("FATAL:  password authentication failed for user \"a\"\n"
                                       "FATAL:  no pg_hba.conf entry for host \"::1\", user \"a\", "
                                       "database \"d\", no encryption")),
              HasSubstr("the password is wrong"));
  const std::string both =
      connect_hint(
          "no pg_hba.conf entry for host \"::1\", user \"a\", database \"d\", SSL encryption\n"
          "no pg_hba.conf entry for host \"::1\", user \"a\", database \"d\", no encryption")
          .data();
  EXPECT_THAT(both, Not(HasSubstr("sslmode")));
}

TEST(Pooler, GivesEachClientItsOwnBackendOrNot) {
  EXPECT_TRUE(has_own_backends({7, 7, 7}, {8, 8}));
  EXPECT_FALSE(has_own_backends({7, 7, 7}, {7, 7}));
  EXPECT_FALSE(has_own_backends({7, 8, 7}, {9, 9}));
  EXPECT_FALSE(has_own_backends({7, 7}, {8, 7}));
  EXPECT_FALSE(has_own_backends({}, {8}));
}

}  // namespace
}  // namespace pgfanout

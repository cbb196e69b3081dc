#include "bench/insert/bench_server.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <utility>

#include "tests/harness/test_server.h"

extern char** environ;

namespace pgfanout::bench {
namespace {

/// Settings of a throw-away server for loading, durable as by default.
std::vector<std::string> own_settings() {
  const auto memory_mb = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                             static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) >>
                         20U;
  const std::uint64_t buffers_mb = std::clamp<std::uint64_t>(memory_mb / 8, 128, 1024);
  return {fmt::format("shared_buffers = {}MB", buffers_mb), "max_wal_size = 8GB",
          "max_connections = 150", "max_locks_per_transaction = 256"};
}

/// Removes libpq's variables (PGSERVICE, PGOPTIONS, ...): they name the user's servers.
void forget_libpq_environment() {
  std::vector<std::string> names;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (text.starts_with("PG") && !text.starts_with("PGFANOUT_")) {
      names.emplace_back(text.substr(0, text.find('=')));
    }
  }
  for (const std::string& name : names) unsetenv(name.c_str());
}

/// The major that tests use if it is installed, otherwise any.
int installed_major() {
  const int wanted = harness::default_major();
  for (const int major : {wanted, 15, 16, 17, 18, 14}) {
    if (harness::TestServer::available(major)) return major;
  }
  return wanted;
}

}  // namespace

struct BenchServer::Own {
  explicit Own(harness::ServerOptions options) : server(std::move(options)) {}
  harness::TestServer server;
};

BenchServer::BenchServer(const Cancellation& cancellation) : cancellation_(cancellation) {}

Result<std::unique_ptr<BenchServer>> BenchServer::open(const BenchRequest& request,
                                                       const Cancellation& cancellation) {
  std::unique_ptr<BenchServer> server(new BenchServer(cancellation));
  if (request.source_dsn) {
    server->dsn_ = *request.source_dsn;
  } else {
    PGFANOUT_TRY(server->start(request.server_bindir));
  }
  PGFANOUT_TRY_ASSIGN(Connection session, server->connect());
  server->session_ = std::make_unique<Connection>(std::move(session));
  PGFANOUT_TRY(server->make_schema());
  return server;
}

BenchServer::~BenchServer() {
  if (own_ != nullptr || !has_schema_) return;
  if (const auto dropped = drop_schema(); !dropped) {
    fmt::print(stderr, "warning: could not drop schema {}: {}\n", kSchema, dropped.error().message);
  }
}

/// Turns the exceptions of the harness into errors.
Result<void> BenchServer::start(const std::string& bindir) {
  for (const char* program : {"initdb", "postgres"}) {
    if (bindir.empty() || access((bindir + "/" + program).c_str(), X_OK) == 0) continue;
    return refused("no-server", fmt::format("--server-bindir has no {}", program),
                   "name the directory of initdb and postgres, such as /usr/lib/postgresql/15/bin",
                   bindir);
  }
  forget_libpq_environment();
  harness::ServerOptions options;
  options.major = installed_major();
  options.binaries = bindir;
  options.settings = own_settings();
  options.place = harness::Place::temporary;
  options.durable = true;
  try {
    own_ = std::make_unique<Own>(std::move(options));
    dsn_ = own_->server.dsn();
  } catch (const std::exception& failure) {
    return refused(
        "no-server", fmt::format("could not start a throw-away server: {}", failure.what()),
        "install one (scripts/install-deps demo), name its directory with --server-bindir, "
        "or name your server with --source");
  }
  return {};
}

Result<Connection> BenchServer::connect(const Cancellation* cancellation) const {
  ConnectOptions options;
  options.dsn = dsn_;
  options.application_name = "pgfanout/bench";
  options.cancellation = cancellation;
  return Connection::open(options);
}

Result<void> BenchServer::make_schema() {
  PGFANOUT_TRY_ASSIGN(const Rows facts,
                      session_->query("SELECT to_regnamespace($1) IS NOT NULL, "
                                      "current_setting('max_connections')::int - "
                                      "current_setting('superuser_reserved_connections')::int - "
                                      "(SELECT sum(numbackends) FROM pg_stat_database)",
                                      {std::string(kSchema)}));
  if (facts.boolean(0, 0)) {
    return refused(
        "schema-exists", fmt::format("schema {} exists", kSchema),
        fmt::format("wait for the other run; if there is none: DROP SCHEMA {} CASCADE", kSchema),
        session_->description());
  }
  free_connections_ = static_cast<std::uint32_t>(std::max<std::int64_t>(0, facts.integer(0, 1)));
  PGFANOUT_TRY(session_->run(fmt::format("CREATE SCHEMA {}", kSchema)));
  has_schema_ = true;
  takes_checkpoints_ = session_->run("CHECKPOINT").has_value();
  return {};
}

/// Uses a new connection, since the old one may have failed in the middle of a statement.
Result<void> BenchServer::drop_schema() {
  session_.reset();
  PGFANOUT_TRY_ASSIGN(Connection connection, connect(nullptr));
  return connection.run(fmt::format("DROP SCHEMA {} CASCADE", kSchema));
}

/// In one transaction.
Result<void> BenchServer::run_all(const std::vector<std::string>& statements) {
  return session_->run(fmt::format("{}", fmt::join(statements, "; ")));
}

Result<void> BenchServer::make_table(const InsertCase& each) {
  PGFANOUT_TRY(run_all(drop_statements()));
  std::vector<std::string> statements = create_statements(each);
  if (each.indexes == Indexes::present) {
    for (std::string& sql : index_statements(each)) statements.push_back(std::move(sql));
  }
  PGFANOUT_TRY(run_all(statements));
  if (takes_checkpoints_) PGFANOUT_TRY(session_->run("CHECKPOINT"));
  return {};
}

Result<void> BenchServer::build_indexes(const InsertCase& each) {
  return run_all(index_statements(each));
}

}  // namespace pgfanout::bench

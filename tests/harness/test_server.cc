#include "tests/harness/test_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

namespace pgfanout::harness {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kStartLimit = std::chrono::seconds(60);
constexpr auto kStopLimit = std::chrono::seconds(30);

/// Settings that make a server quick and its log useful. The test's settings come after and
/// override them.
std::vector<std::string> base_settings(bool durable) {
  std::vector<std::string> settings = {"log_line_prefix = '%m [%p] %q%a '", "autovacuum = off",
                                       "jit = off", "checkpoint_timeout = 1h", "lc_messages = 'C'"};
  if (!durable) {
    settings.insert(settings.end(),
                    {"fsync = off", "synchronous_commit = off", "full_page_writes = off"});
  }
  return settings;
}

/// A port that was free at the time of the call.
int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  const bool found = bind(fd, generic, size) == 0 && getsockname(fd, generic, &size) == 0;
  close(fd);
  if (!found) throw std::runtime_error("no free port on 127.0.0.1");
  return ntohs(address.sin_port);
}

/// A value for a connection string.
std::string quoted(const std::string& value) {
  std::string result = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

std::string connection_string(const std::string& host, int port, const std::string& database,
                              const std::string& user) {
  return "host=" + quoted(host) + " port=" + std::to_string(port) + " dbname=" + quoted(database) +
         " user=" + quoted(user);
}

/// As the value of a setting.
std::string stream_from(const std::string& host, int port, const std::string& name) {
  return "host=" + host + " port=" + std::to_string(port) +
         " user=postgres application_name=" + name;
}

/// True if the failure is transient: shared memory of killed backends, a port just taken.
bool may_try_again(const std::string& log) {
  return log.find("is still in use") != std::string::npos ||
         log.find("could not create any TCP/IP sockets") != std::string::npos;
}

}  // namespace

TestServer::TestServer(ServerOptions options)
    : options_(std::move(options)),
      run_(options_.place),
      socket_directory_(run_.path()),
      owner_(getpid()) {
  if (options_.major == 0) options_.major = default_major();
  binaries_ =
      options_.binaries.empty() ? usable_server(options_.major).string() : options_.binaries;
  if (options_.primary != nullptr) {
    TestServer& primary = *options_.primary;
    primary.stop();
    copy_as_standby(primary.data_directory(),
                    stream_from(primary.socket_directory_, primary.port_, options_.name),
                    data_directory());
    primary.start();
  } else {
    const auto make = options_.place == Place::cache ? copy_fresh_cluster : make_cluster;
    make(binaries_, options_.encoding, options_.locale, data_directory());
    append_settings(base_settings(options_.durable));
  }
  append_settings(options_.settings);
  if (!options_.hba.empty()) {
    std::ofstream file(data_directory() + "/pg_hba.conf");
    for (const auto& line : options_.hba) file << line << '\n';
  }
  start();
}

TestServer::~TestServer() {
  // A forked child of the test that runs exit handlers must leave its parent's server alone.
  if (getpid() != owner_) {
    static_cast<void>(postmaster_.release());
    return;
  }
  stop_with(SIGQUIT);
}

TestServer& TestServer::shared() {
  static TestServer server([] {
    ServerOptions options;
    options.settings = {"max_connections = 250"};
    return options;
  }());
  return server;
}

bool TestServer::available(int major) {
  return !find_server(major).empty();
}

std::string TestServer::dsn(const std::string& database, const std::string& user) const {
  return connection_string(socket_directory_, port_, database, user);
}

std::string TestServer::tcp_dsn(const std::string& database, const std::string& user) const {
  if (!options_.tcp) throw std::logic_error("this server listens on a Unix socket only");
  return connection_string("127.0.0.1", port_, database, user);
}

std::string TestServer::create_database(const std::string& prefix, const std::string& encoding) {
  const std::string name = prefix + "_" + std::to_string(++databases_);
  std::string sql = "CREATE DATABASE \"" + name + "\"";
  if (!encoding.empty()) {
    sql += " TEMPLATE template0 ENCODING '" + encoding + "' LOCALE 'C'";
  }
  execute("postgres", sql);
  return name;
}

void TestServer::execute(const std::string& database, const std::string& sql) const {
  connect(database).execute(sql);
}

std::string TestServer::value(const std::string& database, const std::string& sql) const {
  return connect(database).value(sql);
}

TextRows TestServer::rows(const std::string& database, const std::string& sql) const {
  return connect(database).rows(sql);
}

Session TestServer::connect(const std::string& database, const std::string& user) const {
  return Session(dsn(database, user));
}

void TestServer::append_settings(const std::vector<std::string>& settings) {
  std::ofstream file(data_directory() + "/postgresql.conf", std::ios::app);
  for (const auto& line : settings) file << line << '\n';
}

void TestServer::launch() {
  if (options_.tcp) port_ = free_port();
  const std::string path = run_.path() / "server.log";
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), path);
  SpawnOptions spawn;
  spawn.unprivileged = true;
  spawn.stdout_fd = fd;
  spawn.stderr_fd = fd;
  spawn.death_signal = SIGQUIT;
  postmaster_ = std::make_unique<ChildProcess>(
      std::vector<std::string>{binaries_ + "/postgres", "-D", data_directory(), "-c",
                               "port=" + std::to_string(port_), "-c",
                               "listen_addresses=" + std::string(options_.tcp ? "127.0.0.1" : ""),
                               "-c", "unix_socket_directories=" + socket_directory_},
      spawn);
  close(fd);
}

/// False if the server ended instead. The state is the eighth line of postmaster.pid, as for
/// pg_ctl; its first line distinguishes this server from a predecessor.
bool TestServer::wait_until_ready() {
  const auto deadline = Clock::now() + kStartLimit;
  while (running() && Clock::now() < deadline) {
    std::istringstream file(read_file(data_directory() + "/postmaster.pid"));
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    if (lines.size() >= 8 && lines[0] == std::to_string(postmaster_pid()) &&
        lines[7].starts_with("ready")) {
      return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

void TestServer::start() {
  if (postmaster_ && running()) throw std::logic_error("the server runs already");
  const auto deadline = Clock::now() + kStartLimit;
  for (;;) {
    const std::size_t before = log().size();
    launch();
    if (wait_until_ready()) return;
    const std::string added = log().substr(before);
    if (running() || !may_try_again(added) || Clock::now() >= deadline) {
      stop_with(SIGQUIT);
      throw std::runtime_error("the test server does not start:\n" + added);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void TestServer::stop_with(int signal) {
  if (!postmaster_) return;
  postmaster_->send_signal(signal);
  if (!postmaster_->wait(kStopLimit)) {
    postmaster_->kill_group();
    postmaster_->wait(kStopLimit);
  }
}

void TestServer::stop() {
  stop_with(SIGINT);
}
void TestServer::stop_immediately() {
  stop_with(SIGQUIT);
}

void TestServer::restart(const std::vector<std::string>& settings) {
  stop();
  append_settings(settings);
  start();
}

void TestServer::kill_postmaster(int signal) {
  postmaster_->send_signal(signal);
  if (signal == SIGKILL) postmaster_->wait(kStopLimit);
}

pid_t TestServer::postmaster_pid() const {
  return postmaster_->pid();
}
bool TestServer::running() {
  return postmaster_ && postmaster_->running();
}
std::string TestServer::log() const {
  return read_file(run_.path() / "server.log");
}

}  // namespace pgfanout::harness

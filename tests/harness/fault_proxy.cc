#include "tests/harness/fault_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <list>
#include <mutex>
#include <optional>
#include <ostream>
#include <system_error>
#include <thread>
#include <utility>

#include "tests/harness/wire_filter.h"

namespace pgfanout::harness {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kPieceBytes = 65536;
constexpr std::size_t kMostPendingBytes = 4 * kPieceBytes;
constexpr std::size_t kDelayedPieceBytes = 8192;
constexpr int kLookMs = 50;  // How often a connection checks whether it is to be cut.

[[noreturn]] void throw_errno(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { close_now(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  [[nodiscard]] int get() const { return fd_; }
  void close_now() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw std::runtime_error("too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

std::string socket_path(const std::string& directory, int port) {
  return directory + "/.s.PGSQL." + std::to_string(port);
}

Descriptor listen_on_loopback(int& port) {
  Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener.get(), generic, size) != 0 || listen(listener.get(), 128) != 0 ||
      getsockname(listener.get(), generic, &size) != 0) {
    throw_errno("listen on 127.0.0.1");
  }
  port = ntohs(address.sin_port);
  return listener;
}

Descriptor listen_on_socket(const std::string& path) {
  Descriptor listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const sockaddr_un address = unix_address(path);
  if (bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener.get(), 128) != 0) {
    throw_errno("listen on a Unix socket");
  }
  return listener;
}

Descriptor connect_to(const std::string& path) {
  Descriptor server(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = unix_address(path);
  if (connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Descriptor();
  }
  fcntl(server.get(), F_SETFL, O_NONBLOCK);
  return server;
}

/// The value of application_name in a startup packet, whose body is its version and pairs of
/// strings that end in zero.
std::string application_of(std::string_view body) {
  std::vector<std::string_view> words;
  for (std::size_t at = 4; at < body.size();) {
    const std::size_t end = std::min(body.find('\0', at), body.size());
    words.push_back(body.substr(at, end - at));
    at = end + 1;
  }
  for (std::size_t at = 0; at + 1 < words.size(); at += 2) {
    if (words[at] == "application_name") return std::string(words[at + 1]);
  }
  return "";
}

constexpr std::uint32_t kCancelRequest = 80877102;
constexpr std::uint32_t kSslRequest = 80877103;
constexpr std::uint32_t kGssRequest = 80877104;

std::uint32_t code_of(std::string_view body) {
  std::uint32_t code = 0;
  if (body.size() < 4) return 0;
  std::memcpy(&code, body.data(), 4);
  return ntohl(code);
}

}  // namespace

std::string name_of(FaultKind kind) {
  constexpr std::array<const char*, kFaultKinds> kNames = {"stall", "dribble",    "delay",
                                                           "reset", "half_close", "drop_message"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::ostream& operator<<(std::ostream& stream, const ProxyFault& fault) {
  stream << name_of(fault.kind) << " on connection " << fault.connection;
  if (!fault.application.empty()) stream << " of " << fault.application;
  stream << (fault.direction == Direction::to_client ? " to the client" : " to the server");
  if (fault.message.empty()) {
    stream << " after " << fault.after_bytes << " bytes";
  } else {
    stream << (fault.ready_after ? " at ReadyForQuery behind " : " at ") << fault.message << " no. "
           << fault.occurrence;
  }
  if (fault.length.count() > 0) stream << " for " << fault.length.count() << " ms";
  return stream << (fault.both_directions ? ", both directions" : "");
}

/// Shared by the threads. A fault moves from `waiting` to the connection that it affects.
struct FaultProxy::Shared {
  std::string server_path;
  std::string unix_directory;
  int unix_port = 0;
  int tcp_port = 0;
  Descriptor wake{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  std::atomic<bool> is_over{false};
  std::atomic<int> generation{0};  ///< Connections of an earlier one are cut.

  mutable std::mutex mutex;
  std::vector<ProxyFault> waiting;
  std::vector<std::shared_ptr<ProxiedConnection>> seen;
  int met = 0;
  Clock::time_point last_met;

  /// Removes the first waiting fault that `fits`, if there is one.
  template <typename Fits>
  std::optional<ProxyFault> take(Fits fits) {
    const std::lock_guard lock(mutex);
    const auto found = std::find_if(waiting.begin(), waiting.end(), fits);
    if (found == waiting.end()) return std::nullopt;
    ProxyFault fault = *found;
    waiting.erase(found);
    ++met;
    last_met = Clock::now();
    return fault;
  }

  class Link;
  std::list<std::thread> links;  ///< Of the accepting thread; of the destructor after its end.
  std::thread acceptor;
  void accept_all(Descriptor tcp, Descriptor local);
  void accept_one(int listener);
};

/// One connection. All of it runs in one thread.
class FaultProxy::Shared::Link {
 public:
  Link(Shared& shared, Descriptor client, Descriptor server, int number,
       std::shared_ptr<ProxiedConnection> info)
      : shared_(shared),
        client_(std::move(client)),
        server_(std::move(server)),
        number_(number),
        info_(std::move(info)) {}

  void run() {
    while (!is_cut_ && !(up_.has_ended && down_.has_ended)) {
      wait(Clock::now());
      if (shared_.is_over || shared_.generation != generation_) return cut();
      pump(up_);
      if (!is_cut_) pump(down_);
    }
  }

 private:
  /// One direction.
  struct Way {
    Direction direction;
    int from;
    int to;
    WireFilter filter;
    std::int64_t& forwarded;
    std::string pending{};
    std::size_t pending_at = 0;
    bool is_last = false;  ///< The filter dropped a message: cut once `pending` is sent.
    bool source_ended = false;
    bool has_ended = false;
    std::optional<ProxyFault> slow{};  ///< The present stall, dribble or delay.
    Clock::time_point slow_until{};
    Clock::time_point next_piece{};
  };

  [[nodiscard]] bool is_for_this(const ProxyFault& fault, Direction direction) const {
    return (fault.connection < 0 || fault.connection == number_) && fault.direction == direction &&
           info_->application.ends_with(fault.application);
  }

  void wait(Clock::time_point now) {
    std::array<pollfd, 3> polled{};
    polled[0] = {shared_.wake.get(), POLLIN, 0};
    polled[1] = {client_.get(), 0, 0};
    polled[2] = {server_.get(), 0, 0};
    int timeout = kLookMs;
    for (Way* way : {&up_, &down_}) {
      const bool is_up = way == &up_;
      if (way->has_ended) continue;
      if (!way->source_ended && way->pending.size() < kMostPendingBytes) {
        polled[is_up ? 1 : 2].events |= POLLIN;
      }
      if (way->pending_at >= way->pending.size() && !way->source_ended) continue;
      const auto until = not_before(*way);
      if (until > now) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
        timeout = static_cast<int>(std::min<std::int64_t>(timeout, left));
      } else {
        polled[is_up ? 2 : 1].events |= POLLOUT;
      }
    }
    // poll() reports the end of a socket even with no events requested, so it is left out.
    for (pollfd& each : polled) {
      if (each.events == 0) each.fd = -1;
    }
    poll(polled.data(), polled.size(), timeout);
  }

  /// The time from which this direction forwards again.
  static Clock::time_point not_before(Way& way) {
    if (!way.slow) return {};
    const bool is_forever = way.slow->length.count() == 0;
    if (!is_forever && Clock::now() >= way.slow_until) {
      way.slow.reset();
      return {};
    }
    if (way.slow->kind != FaultKind::stall) return way.next_piece;
    return is_forever ? Clock::time_point::max() : way.slow_until;
  }

  void pump(Way& way) {
    if (way.has_ended) return;
    read_some(way);
    if (!is_cut_) write_some(way);
    if (!is_cut_ && way.pending_at >= way.pending.size()) {
      if (way.is_last) return cut();
      if (way.source_ended && not_before(way) <= Clock::now()) end(way);
    }
  }

  void read_some(Way& way) {
    if (way.source_ended || way.is_last || way.pending.size() >= kMostPendingBytes) return;
    std::array<char, kPieceBytes> piece{};
    const ssize_t got = recv(way.from, piece.data(), piece.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      way.source_ended = true;
      return;
    }
    way.is_last = !way.filter.feed({piece.data(), static_cast<std::size_t>(got)}, way.pending);
  }

  void write_some(Way& way) {
    while (way.pending_at < way.pending.size()) {
      meet_faults(way);
      if (is_cut_ || way.has_ended || not_before(way) > Clock::now()) return;
      const std::size_t most = next_size(way);
      const ssize_t put =
          send(way.to, way.pending.data() + way.pending_at, most, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (put < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (put < 0) return cut();
      way.pending_at += static_cast<std::size_t>(put);
      const std::lock_guard lock(shared_.mutex);
      way.forwarded += put;
      if (way.slow) way.next_piece = Clock::now() + way.slow->pause;
    }
    meet_faults(way);
    way.pending.clear();
    way.pending_at = 0;
  }

  /// Forwards what it may: up to the place of the next fault.
  std::size_t next_size(const Way& way) {
    std::size_t most = way.pending.size() - way.pending_at;
    if (way.slow) {
      most = std::min(most, way.slow->kind == FaultKind::dribble
                                ? 1 + static_cast<std::size_t>(way.forwarded) %
                                          std::max<std::size_t>(1, way.slow->longest_piece)
                                : kDelayedPieceBytes);
    }
    const std::lock_guard lock(shared_.mutex);
    for (const ProxyFault& fault : shared_.waiting) {
      if (!fault.message.empty() || !is_for_this(fault, way.direction)) continue;
      if (fault.after_bytes > way.forwarded) {
        most = std::min(most, static_cast<std::size_t>(fault.after_bytes - way.forwarded));
      }
    }
    return most;
  }

  void meet_faults(Way& way) {
    if (const auto fault = shared_.take([&](const ProxyFault& each) {
          return each.message.empty() && is_for_this(each, way.direction) &&
                 way.forwarded >= each.after_bytes;
        })) {
      apply(*fault, way);
    }
  }

  void apply(const ProxyFault& fault, Way& way) {
    switch (fault.kind) {
      case FaultKind::reset:
      case FaultKind::drop_message:
        return cut();
      case FaultKind::half_close:
        way.pending_at = way.pending.size();
        return end(way);
      default:
        for (Way* each : {&up_, &down_}) {
          if (each != &way && !fault.both_directions) continue;
          each->slow = fault;
          each->slow_until = Clock::now() + fault.length;
        }
    }
  }

  /// Examines a message of the client.
  WireFilter::Answer look_up(char type, std::string_view body) {
    if (type == '\0') {
      const std::uint32_t code = code_of(body);
      if (code == kSslRequest || code == kGssRequest) {
        down_.filter.expect_single_byte();
      } else {
        const std::lock_guard lock(shared_.mutex);
        info_->is_cancel_request = code == kCancelRequest;
        if (!info_->is_cancel_request) info_->application = application_of(body);
      }
      return WireFilter::Answer::forward;
    }
    // A Parse message begins with the statement's name.
    if (type == 'P') body.remove_prefix(std::min(body.find('\0') + 1, body.size()));
    return look(Direction::to_server, body, false);
  }

  /// Examines a message of the server.
  WireFilter::Answer look_down(char type, std::string_view body) {
    if (type == 'C') {
      tag_ = body.substr(0, body.find('\0'));
      const std::lock_guard lock(shared_.mutex);
      ++info_->replies[tag_.substr(0, tag_.find(' '))];
    }
    const auto answer = look(Direction::to_client, tag_, type == 'Z');
    if (type == 'Z') tag_.clear();
    return answer;
  }

  WireFilter::Answer look(Direction direction, std::string_view text, bool is_ready) {
    const auto fits = [&](const ProxyFault& fault) {
      return !fault.message.empty() && fault.ready_after == is_ready &&
             is_for_this(fault, direction) && text.starts_with(fault.message);
    };
    {
      const std::lock_guard lock(shared_.mutex);
      for (const ProxyFault& fault : shared_.waiting) {
        if (fits(fault)) {
          ++messages_[{fault.message, is_ready}];
          break;
        }
      }
    }
    const auto met = shared_.take([&](const ProxyFault& fault) {
      return fits(fault) && messages_[{fault.message, is_ready}] >= fault.occurrence;
    });
    if (!met) return WireFilter::Answer::forward;
    if (met->kind == FaultKind::drop_message) return WireFilter::Answer::drop_and_end;
    // Bytes before the message in the same piece wait with it.
    apply(*met, direction == Direction::to_client ? down_ : up_);
    return WireFilter::Answer::forward;
  }

  void end(Way& way) {
    shutdown(way.to, SHUT_WR);
    way.has_ended = true;
  }

  void cut() {
    is_cut_ = true;
    const linger at_once{1, 0};
    setsockopt(client_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    client_.close_now();
    server_.close_now();
  }

  Shared& shared_;
  Descriptor client_;
  Descriptor server_;
  const int number_;
  const int generation_ = shared_.generation;
  std::shared_ptr<ProxiedConnection> info_;
  bool is_cut_ = false;
  std::string tag_;
  std::map<std::pair<std::string, bool>, int> messages_;
  Way up_{Direction::to_server, client_.get(), server_.get(),
          WireFilter(WireFilter::Side::client,
                     [this](char type, std::string_view body) { return look_up(type, body); }),
          info_->bytes_to_server};
  Way down_{Direction::to_client, server_.get(), client_.get(),
            WireFilter(WireFilter::Side::server,
                       [this](char type, std::string_view body) { return look_down(type, body); }),
            info_->bytes_to_client};
};

void FaultProxy::Shared::accept_one(int listener) {
  Descriptor client(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (client.get() < 0) return;
  Descriptor server = connect_to(server_path);
  if (server.get() < 0) return;
  auto info = std::make_shared<ProxiedConnection>();
  int number = 0;
  {
    const std::lock_guard lock(mutex);
    number = static_cast<int>(seen.size());
    seen.push_back(info);
  }
  links.emplace_back(
      [this, number, info, client = std::move(client), server = std::move(server)]() mutable {
        Link(*this, std::move(client), std::move(server), number, info).run();
      });
}

void FaultProxy::Shared::accept_all(Descriptor tcp, Descriptor local) {
  while (!is_over) {
    std::array<pollfd, 3> polled = {
        {{wake.get(), POLLIN, 0}, {tcp.get(), POLLIN, 0}, {local.get(), POLLIN, 0}}};
    poll(polled.data(), polled.size(), -1);
    for (const std::size_t at : {std::size_t{1}, std::size_t{2}}) {
      if ((polled.at(at).revents & POLLIN) != 0 && !is_over) accept_one(polled.at(at).fd);
    }
  }
}

FaultProxy::FaultProxy(const TestServer& server) : shared_(std::make_unique<Shared>()) {
  static std::atomic<int> next{0};
  shared_->server_path = socket_path(server.socket_directory(), server.port());
  shared_->unix_directory = server.socket_directory();
  shared_->unix_port = 60000 + next++;
  Descriptor tcp = listen_on_loopback(shared_->tcp_port);
  Descriptor local = listen_on_socket(socket_path(shared_->unix_directory, shared_->unix_port));
  shared_->acceptor = std::thread(
      [shared = shared_.get(), tcp = std::move(tcp), local = std::move(local)]() mutable {
        shared->accept_all(std::move(tcp), std::move(local));
      });
}

FaultProxy::~FaultProxy() {
  shared_->is_over = true;
  eventfd_write(shared_->wake.get(), 1);
  shared_->acceptor.join();
  for (std::thread& link : shared_->links) link.join();
  unlink(socket_path(shared_->unix_directory, shared_->unix_port).c_str());
}

std::string FaultProxy::dsn(const std::string& database) const {
  return "host=127.0.0.1 port=" + std::to_string(shared_->tcp_port) + " dbname='" + database +
         "' user=postgres";
}

std::string FaultProxy::unix_dsn(const std::string& database) const {
  return "host='" + shared_->unix_directory + "' port=" + std::to_string(shared_->unix_port) +
         " dbname='" + database + "' user=postgres";
}

void FaultProxy::add(const ProxyFault& fault) {
  const std::lock_guard lock(shared_->mutex);
  shared_->waiting.push_back(fault);
}

void FaultProxy::clear() {
  const std::lock_guard lock(shared_->mutex);
  shared_->waiting.clear();
  shared_->seen.clear();
  shared_->met = 0;
  ++shared_->generation;
}

int FaultProxy::faults_met() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->met;
}

Clock::time_point FaultProxy::last_met() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->last_met;
}

std::vector<ProxiedConnection> FaultProxy::connections() const {
  const std::lock_guard lock(shared_->mutex);
  std::vector<ProxiedConnection> copies;
  copies.reserve(shared_->seen.size());
  for (const auto& each : shared_->seen) copies.push_back(*each);
  return copies;
}

}  // namespace pgfanout::harness

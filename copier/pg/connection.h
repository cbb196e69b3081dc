// A connection to a server and plain statements on it. Only copier/pg/ knows libpq; a PGconn is
// owned here and nowhere else.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "copier/pg/text_encoding.h"
#include "pgfanout/cancellation.h"
#include "pgfanout/result.h"

struct pg_conn;
struct pg_result;

namespace pgfanout {

class StallWatch;

/// Frees what libpq has made.
struct LibpqDeleter {
  void operator()(pg_conn* connection) const;
  void operator()(pg_result* result) const;
};

/// The result of a statement, in text format. Move-only; views live as long as it does.
class Rows {
 public:
  explicit Rows(pg_result* result) : result_(result) {}

  [[nodiscard]] int size() const;
  [[nodiscard]] int columns() const;
  [[nodiscard]] bool is_null(int row, int column) const;
  /// Empty for NULL.
  [[nodiscard]] std::string_view text(int row, int column) const;
  [[nodiscard]] std::string str(int row, int column) const {
    return std::string(text(row, column));
  }
  /// 0 for NULL or text that is no integer.
  [[nodiscard]] std::int64_t integer(int row, int column) const;
  [[nodiscard]] bool boolean(int row, int column) const { return text(row, column) == "t"; }
  /// One column of all rows.
  [[nodiscard]] std::vector<std::string> column(int column) const;
  [[nodiscard]] std::uint32_t oid(int row, int column) const {
    return static_cast<std::uint32_t>(integer(row, column));
  }
  /// Rows that an INSERT, UPDATE, DELETE or COPY touched; -1 if the command has no such number.
  [[nodiscard]] std::int64_t affected() const;
  /// For copier/pg/ only.
  [[nodiscard]] const pg_result* raw() const { return result_.get(); }

 private:
  friend class Connection;
  std::unique_ptr<pg_result, LibpqDeleter> result_;
};

/// A parameter of a statement; nullopt is NULL. Its type is inferred by the server.
using Parameter = std::optional<std::string>;

struct ResultColumn {
  std::string name;
  std::uint32_t type_oid = 0;
  std::int32_t type_modifier = -1;
};

/// A notice or warning of the server beside a result.
struct ServerNotice {
  bool is_warning = false;
  std::string text;
};

/// How to open a connection.
struct ConnectOptions {
  std::string dsn;               ///< libpq connection string or URI; empty: libpq's environment.
  std::string application_name;  ///< "pgfanout/<job>/<role>"; at most 63 bytes.
  std::chrono::seconds connect_timeout{10};
  /// How long a server may be silent while we wait for it, until another connection asks it whether
  /// it still works for us; 0: without limit.
  std::chrono::milliseconds stall_timeout{60'000};
  std::chrono::milliseconds query_timeout{10'000};   ///< For all of what that connection does.
  std::chrono::milliseconds arrival_timeout{1'000};  ///< For what the server sent meanwhile.
  /// For commands that only read: behind a pooler that keeps no session, everything is one
  /// transaction, which is rolled back at the end.
  bool may_share_backend = false;
  /// Statements that wait while it is set are cancelled on the server and end with code
  /// "cancelled", if the server has not finished them all the same. It outlives the connection.
  const Cancellation* cancellation = nullptr;
};

/// The user's request to stop, for all connections of the process; it outlives them. Once it is
/// set, a server that is silent for a second is asked whether it still works, and connecting takes
/// two seconds at most. Once it asks for a stop at once, statements that wait are cancelled, those
/// that follow may take a moment, and after 1.6 s none waits any more. ServerWaits has what is left
/// on the server.
void set_user_stop(const Cancellation& user);
[[nodiscard]] bool is_user_stopping();
/// Threads that were left behind within libpq, which returns from a dead link only after minutes.
/// Static objects must not be destroyed under them: the process ends by _exit().
[[nodiscard]] bool has_left_threads();

/// Refuses a DSN that carries a password or cannot be parsed. `option` names it in the message.
Result<void> check_dsn(std::string_view dsn, std::string_view option);

/// The parts of a DSN that name its server and may be shown to anybody: "host=db1 port=5432
/// dbname=app user=mover" or "service=main". Empty: it has none, and libpq's environment decides.
[[nodiscard]] std::string server_of_dsn(const std::string& dsn);

/// Server and database, for messages: "host:port/database".
[[nodiscard]] std::string description_of(const pg_conn* connection);

/// The libpq that is loaded, not that of the header: "15.18", or "9.6.24" before version 10.
[[nodiscard]] std::string libpq_version();

/// A request to cancel what a connection runs.
struct CancelRequest {
  std::shared_ptr<std::atomic<bool>> was_made;  ///< Behind a stalled link after minutes.
  std::chrono::milliseconds patience{2'000};    ///< With what runs.
  std::chrono::steady_clock::time_point at = std::chrono::steady_clock::now();
};

/// How long was waited: for the caller, and for a counter that other threads read.
struct WaitTime {
  std::chrono::nanoseconds own{0};
  std::atomic<std::uint64_t>* total = nullptr;

  void add(std::chrono::nanoseconds time) {
    own += time;
    if (total != nullptr) {
      total->fetch_add(static_cast<std::uint64_t>(time.count()), std::memory_order_relaxed);
    }
  }
};

class Connection {
 public:
  /// Connects, checks that no pooler shares the backend with others, and sets the session up
  /// (search_path empty, row_security off, time-outs off, the server's encoding, ISO dates, no
  /// notices, statements of a dead client end).
  static Result<Connection> open(const ConnectOptions& options);

  ~Connection();
  Connection(Connection&& other) noexcept;
  Connection& operator=(Connection&& other) noexcept;

  // Statements wait for the server, but not for one that cannot be reached any more: StallWatch.
  // Their text is UTF-8, whatever the server's encoding is.

  /// One statement, with parameters $1, $2, ...
  Result<Rows> query(std::string_view sql, const std::vector<Parameter>& parameters = {});
  /// The same in binary: parameters are the types' binary forms, and so are the results' values,
  /// as text() gives them. Values are those that a binary COPY carries, text in the server's bytes.
  Result<Rows> query_binary(std::string_view sql, const std::vector<Parameter>& parameters = {});
  /// The same for rows that may be large: each is handed over alone, as a result of one row, and
  /// freed before the next one comes. The first error of `take` is returned.
  Result<void> query_binary_each(std::string_view sql,
                                 const std::function<Result<void>(const Rows&)>& take);
  /// One or more statements, results thrown away; the first error ends them. DDL for which the
  /// database has event triggers runs under the path that these find.
  Result<void> run(std::string_view sql);
  /// One statement with parameters, its rows thrown away.
  Result<void> run(std::string_view sql, const std::vector<Parameter>& parameters);
  /// The columns that a SELECT would return: the server parses and analyses it without running it.
  /// An error is the server's own; inside a transaction it ends that transaction.
  Result<std::vector<ResultColumn>> describe(std::string_view sql);
  /// Gives libpq's input buffer, of 16 kB at first, room for 256 kB, so that one call takes all
  /// that a socket holds. It grows with the longest message that comes, so the server is asked for
  /// one.
  Result<void> enlarge_input() { return run("SELECT repeat('x', 200000)"); }

  /// 150018 for 15.18.
  [[nodiscard]] int server_version() const;
  /// "15.18", as the server reports it, without its build text.
  [[nodiscard]] std::string server_version_text() const;
  [[nodiscard]] const std::string& encoding() const { return encoding_; }
  /// Same server and database, for messages: "host:port/database".
  [[nodiscard]] std::string description() const;
  [[nodiscard]] int backend_pid() const { return backend_pid_; }
  /// Through a pooler, which has given it a backend of its own unless is_one_transaction().
  [[nodiscard]] bool is_pooled() const;
  /// See ConnectOptions::may_share_backend.
  [[nodiscard]] bool is_one_transaction() const { return is_one_transaction_; }
  [[nodiscard]] bool is_open() const;
  [[nodiscard]] bool is_in_transaction() const;

  /// For with_search_path(): the path of what follows, as SET takes it; "''" for that of ours.
  Result<void> set_search_path(const std::string& path);

  /// Names need no connection: quoted_name().
  [[nodiscard]] std::string quote_literal(std::string_view value) const;

  /// From now on notices and warnings come, and are kept: for statements that are the user's.
  Result<void> keep_notices();
  /// Those since the last call.
  [[nodiscard]] std::vector<ServerNotice> take_notices();

  /// Between UTF-8 and the bytes that values have in binary.
  [[nodiscard]] const TextEncoding& text_encoding() const { return text_encoding_; }

  /// For copier/pg/ only.
  [[nodiscard]] pg_conn* raw() const { return connection_.get(); }
  /// For copier/pg/ only: waits in short steps until the socket has input, or takes output, and
  /// lets libpq have it. An error of code "cancelled" when the cancellation, if there is one, was
  /// set meanwhile. `waited` is brought up to date at each step.
  Result<void> wait_for_input(const Cancellation* cancellation, WaitTime* waited = nullptr);
  /// For copier/pg/ only: the same without letting libpq have it.
  Result<void> wait_until_ready(const Cancellation* cancellation, WaitTime* waited = nullptr);
  /// For copier/pg/ only: error_of_result(), in UTF-8.
  [[nodiscard]] Error error_of(const pg_result* result, std::string_view doing) const;
  /// For copier/pg/ only: ServerWaits knows that the statement waits for its answer, until this
  /// connection ends or ServerWaits::end() is told of raw().
  void note_wait(std::string_view sql) const;
  /// For copier/pg/ only: asks the server to cancel what runs.
  [[nodiscard]] CancelRequest request_cancel() const;
  /// For copier/pg/ only: waits for the end of what was asked to be cancelled and throws its
  /// results away. Gives the connection up two seconds after the request.
  Result<void> await_cancelled(const CancelRequest& request);
  /// For copier/pg/ only: StallWatch::check(). After an error the connection is not open any more.
  Result<void> check_stalled(std::chrono::steady_clock::time_point& silent_since);

 private:
  Connection(pg_conn* connection, ConnectOptions options);
  Result<void> set_up_session();
  Result<void> identify_backend();
  Result<void> settle_pooling(const ConnectOptions& options);
  Result<void> find_ddl_path();
  Result<Rows> query_as(std::string_view sql, const std::vector<Parameter>& parameters, int format);
  /// The result of the last of several statements; `shown` stands for them where they wait.
  Result<Rows> last_of(std::string_view sql, std::string_view shown);
  void convert_values(Rows& rows) const;
  struct Answer;
  Result<void> take_leftovers();
  Result<Rows> answer_to(bool was_sent, std::string_view sql, std::string_view doing,
                         const std::function<Result<void>(const Rows&)>* take = nullptr);
  Result<void> collect(Answer& answer, const Cancellation* cancellation);
  Result<void> collect_cancelled(Answer& answer, const CancelRequest& request);
  void abandon();

  std::unique_ptr<pg_conn, LibpqDeleter> connection_;
  std::string encoding_;
  TextEncoding text_encoding_;
  std::unique_ptr<std::vector<ServerNotice>> notices_;  ///< Has an address for libpq.
  const Cancellation* cancellation_;
  std::unique_ptr<StallWatch> watch_;
  bool is_abandoned_ = false;
  bool is_one_transaction_ = false;
  int backend_pid_ = 0;  ///< That of the server: a pooler gives libpq one of its own.
  /// The path that event triggers find when this role runs DDL, as SET takes it; "''" where there
  /// are none. The server's own schema comes first in it: DDL of ours means the same under it.
  std::string ddl_path_ = "''";
  bool has_own_path_ = true;  ///< Not within with_search_path().
};

}  // namespace pgfanout

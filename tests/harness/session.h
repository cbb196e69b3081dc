// One connection of a test to a server, on plain libpq, since the harness does not depend on the
// code under test. It is for tests that hold a transaction, a lock or a setting across statements.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

struct pg_conn;
struct pg_result;

namespace pgfanout::harness {

/// A statement or a connection failed. If a test throws it, that test fails with the message.
class ServerError : public std::runtime_error {
 public:
  ServerError(const std::string& message, std::string sqlstate)
      : std::runtime_error(message), sqlstate_(std::move(sqlstate)) {}
  /// Empty if the failure did not come from the server.
  [[nodiscard]] const std::string& sqlstate() const { return sqlstate_; }

 private:
  std::string sqlstate_;
};

/// Values as text; nullopt is NULL.
using TextRow = std::vector<std::optional<std::string>>;
using TextRows = std::vector<TextRow>;

class Session {
 public:
  explicit Session(const std::string& dsn);

  /// Runs one or more statements and ignores results and notices.
  void execute(const std::string& sql);
  /// The only value of the only row that the statement returns. Throws if it is NULL: use rows().
  std::string value(const std::string& sql);
  TextRows rows(const std::string& sql);
  /// Sends `data` in COPY's text format; `sql` is a COPY ... FROM STDIN.
  void copy_in(const std::string& sql, const std::string& data);

  [[nodiscard]] int backend_pid() const;
  /// For libpq calls that this class does not have.
  [[nodiscard]] pg_conn* raw() const { return connection_.get(); }

 private:
  std::unique_ptr<pg_result, void (*)(pg_result*)> run(const std::string& sql);

  std::unique_ptr<pg_conn, void (*)(pg_conn*)> connection_;
};

}  // namespace pgfanout::harness

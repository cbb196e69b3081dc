// One connection of a test to a server, on plain libpq: the harness does not depend on the code
// under test. For tests that hold a transaction, a lock or a setting across statements.
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

struct pg_conn;
struct pg_result;

namespace pgfanout::harness {

/// A statement or a connection failed. Thrown out of a test it fails that test with the message.
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

  /// One or more statements. Results are thrown away, notices not printed.
  void execute(const std::string& sql);
  /// The one value of the one row that the statement returns. NULL is refused: ask rows() for it.
  std::string value(const std::string& sql);
  TextRows rows(const std::string& sql);
  /// `data` in COPY's text format into what `sql` (COPY ... FROM STDIN) names.
  void copy_in(const std::string& sql, const std::string& data);

  [[nodiscard]] int backend_pid() const;
  /// For what the calls above do not cover.
  [[nodiscard]] pg_conn* raw() const { return connection_.get(); }

 private:
  std::unique_ptr<pg_result, void (*)(pg_result*)> run(const std::string& sql);

  std::unique_ptr<pg_conn, void (*)(pg_conn*)> connection_;
};

}  // namespace pgfanout::harness

// Finds the messages in one direction of a PostgreSQL connection, from bytes that arrive in pieces.
// A message is examined before any byte of it is passed on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace pgfanout::harness {

class WireFilter {
 public:
  enum class Side { client, server };
  enum class Answer { forward, drop_and_end };
  /// `type` is 0 for packets before the first typed message: startup packets and requests. Only
  /// statements, ends of commands and ReadyForQuery are reported.
  using Look = std::function<Answer(char type, std::string_view body)>;

  WireFilter(Side sender, Look look) : sender_(sender), look_(std::move(look)) {}

  /// Appends to `out` the bytes to forward. False once a message is dropped: `out` ends right
  /// before it, and all later bytes are ignored.
  bool feed(std::string_view bytes, std::string& out);
  /// Says that the server's next byte is its answer to a request for encryption, not a message.
  void expect_single_byte() { awaits_single_byte_ = true; }

 private:
  [[nodiscard]] bool is_looked_into(char type) const;
  /// Processes the message that begins at at_ in held_; false if it is not complete.
  bool take_message(std::string& out);

  const Side sender_;
  const Look look_;
  bool awaits_single_byte_ = false;
  bool has_started_ = false;  ///< The client's packets without a type have ended.
  bool is_dropped_ = false;
  std::string held_;  ///< Received bytes; not examined from at_ on.
  std::size_t at_ = 0;
  std::size_t pass_bytes_ = 0;  ///< Bytes of the present message to forward unexamined.
};

}  // namespace pgfanout::harness

// One direction of a PostgreSQL connection as messages, found in a stream of bytes that arrives in
// pieces. The contents of a message are examined before any byte of it is passed on.
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
  /// `type` is 0 for what comes before the first typed message: startup packets and requests.
  /// Only messages that are looked into are reported: statements, ends of commands, ReadyForQuery.
  using Look = std::function<Answer(char type, std::string_view body)>;

  WireFilter(Side sender, Look look) : sender_(sender), look_(std::move(look)) {}

  /// Appends to `out` what may go on. False once a message was to be dropped: `out` then ends right
  /// before it, and nothing more is taken.
  bool feed(std::string_view bytes, std::string& out);
  /// The server's next byte is its answer to a request for encryption, and no message.
  void expect_single_byte() { awaits_single_byte_ = true; }

 private:
  [[nodiscard]] bool is_looked_into(char type) const;
  /// Takes the message that begins held_ from at_ on; false if there is too little of it.
  bool take_message(std::string& out);

  const Side sender_;
  const Look look_;
  bool awaits_single_byte_ = false;
  bool has_started_ = false;  ///< The client's packets without a type are over.
  bool is_dropped_ = false;
  std::string held_;  ///< Bytes that have come; undecided from at_ on.
  std::size_t at_ = 0;
  std::size_t pass_bytes_ = 0;  ///< Of the present message, still to go on unseen.
};

}  // namespace pgfanout::harness

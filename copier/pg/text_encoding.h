// The text of statements, names and messages is UTF-8 everywhere but on the wire, where it is in
// the server's encoding. Rows never pass through here: they keep the server's bytes.
#pragma once

#include <string>
#include <string_view>

#include "pgfanout/result.h"

namespace pgfanout {

class TextEncoding {
 public:
  /// Nothing is converted.
  TextEncoding() = default;
  /// By PostgreSQL's name of it. UTF8 and SQL_ASCII are not converted, nor is what iconv lacks.
  explicit TextEncoding(std::string server_encoding);

  [[nodiscard]] bool converts() const { return !iconv_name_.empty(); }
  /// Bytes that are no UTF-8 stay as they are: they may be in the server's encoding already.
  /// Refuses a character that the encoding does not have.
  Result<std::string> to_server(std::string_view text) const;
  /// Bytes that the encoding does not have stay as they are.
  [[nodiscard]] std::string to_utf8(std::string_view text) const;

 private:
  std::string server_name_;
  std::string iconv_name_;  ///< Empty: nothing is converted.
};

}  // namespace pgfanout

// Which bytes make a name in SQL text, as the server's own scanner sees it.
#pragma once

namespace pgfanout {

[[nodiscard]] inline bool is_sql_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

[[nodiscard]] inline bool starts_sql_name(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
         static_cast<unsigned char>(byte) >= 0x80U;
}

[[nodiscard]] inline bool continues_sql_name(char byte) {
  return starts_sql_name(byte) || is_sql_digit(byte) || byte == '$';
}

}  // namespace pgfanout

#include "copier/pg/text_encoding.h"

#include <fmt/format.h>
#include <iconv.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <utility>

#include "copier/base/utf8.h"

namespace pgfanout {
namespace {

/// PostgreSQL's names of encodings of servers, and iconv's.
constexpr std::pair<std::string_view, std::string_view> kEncodings[] = {
    {"LATIN1", "ISO-8859-1"},     {"LATIN2", "ISO-8859-2"},
    {"LATIN3", "ISO-8859-3"},     {"LATIN4", "ISO-8859-4"},
    {"LATIN5", "ISO-8859-9"},     {"LATIN6", "ISO-8859-10"},
    {"LATIN7", "ISO-8859-13"},    {"LATIN8", "ISO-8859-14"},
    {"LATIN9", "ISO-8859-15"},    {"LATIN10", "ISO-8859-16"},
    {"ISO_8859_5", "ISO-8859-5"}, {"ISO_8859_6", "ISO-8859-6"},
    {"ISO_8859_7", "ISO-8859-7"}, {"ISO_8859_8", "ISO-8859-8"},
    {"WIN866", "CP866"},          {"WIN874", "CP874"},
    {"WIN1250", "CP1250"},        {"WIN1251", "CP1251"},
    {"WIN1252", "CP1252"},        {"WIN1253", "CP1253"},
    {"WIN1254", "CP1254"},        {"WIN1255", "CP1255"},
    {"WIN1256", "CP1256"},        {"WIN1257", "CP1257"},
    {"WIN1258", "CP1258"},        {"KOI8R", "KOI8-R"},
    {"KOI8U", "KOI8-U"},          {"EUC_CN", "EUC-CN"},
    {"EUC_JP", "EUC-JP"},         {"EUC_KR", "EUC-KR"},
    {"EUC_TW", "EUC-TW"},         {"EUC_JIS_2004", "EUC-JISX0213"}};

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char byte) { return static_cast<unsigned char>(byte) < 0x80U; });
}

class Converter {
 public:
  Converter(const std::string& to, const std::string& from)
      : handle_(iconv_open(to.c_str(), from.c_str())) {}
  ~Converter() {
    if (is_open()) iconv_close(handle_);
  }
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  // iconv_open() says so by a pointer of -1.
  [[nodiscard]] bool is_open() const { return reinterpret_cast<std::intptr_t>(handle_) != -1; }

  /// Appends what can be converted to `out`; the rest of `text` begins with what cannot.
  std::string_view convert(std::string_view text, std::string& out) {
    char* in = const_cast<char*>(text.data());  // iconv does not write to it.
    std::size_t left = text.size();
    while (left > 0) {
      char piece[256];
      char* at = piece;
      std::size_t room = sizeof piece;
      const std::size_t done = iconv(handle_, &in, &left, &at, &room);
      out.append(piece, sizeof piece - room);
      if (done == static_cast<std::size_t>(-1) && errno != E2BIG) break;
    }
    // Some encodings keep a character back until they know what follows it.
    char rest[16];
    char* at = rest;
    std::size_t room = sizeof rest;
    iconv(handle_, nullptr, nullptr, &at, &room);
    out.append(rest, sizeof rest - room);
    return text.substr(text.size() - left);
  }

 private:
  iconv_t handle_;
};

}  // namespace

TextEncoding::TextEncoding(std::string server_encoding) : server_name_(std::move(server_encoding)) {
  for (const auto& [server, iconv] : kEncodings) {
    if (server != server_name_) continue;
    const std::string name(iconv);
    if (Converter(name, "UTF-8").is_open() && Converter("UTF-8", name).is_open()) {
      iconv_name_ = name;
    }
  }
}

Result<std::string> TextEncoding::to_server(std::string_view text) const {
  if (!converts() || is_ascii(text)) return std::string(text);
  Converter converter(iconv_name_, "UTF-8");
  std::string converted;
  while (!text.empty()) {
    text = converter.convert(text, converted);
    if (text.empty()) break;
    const std::size_t bytes = first_code_point(text).bytes;
    if (bytes > 0) {
      return refused("not-in-encoding",
                     fmt::format("the database's encoding {} has no character '{}'", server_name_,
                                 text.substr(0, bytes)),
                     "leave the character out, or use a name or an expression without it");
    }
    converted += text.front();
    text.remove_prefix(1);
  }
  return converted;
}

std::string TextEncoding::to_utf8(std::string_view text) const {
  if (!converts() || is_ascii(text)) return std::string(text);
  Converter converter("UTF-8", iconv_name_);
  std::string converted;
  while (!text.empty()) {
    text = converter.convert(text, converted);
    if (text.empty()) break;
    converted += text.front();
    text.remove_prefix(1);
  }
  return converted;
}

}  // namespace pgfanout

#include "tests/harness/wire_filter.h"

#include <algorithm>

namespace pgfanout::harness {
namespace {

constexpr std::uint32_t kSslRequest = 80877103;
constexpr std::uint32_t kGssRequest = 80877104;

std::uint32_t word_at(std::string_view bytes, std::size_t at) {
  std::uint32_t word = 0;
  for (std::size_t i = at; i < at + 4; ++i) word = word << 8 | static_cast<unsigned char>(bytes[i]);
  return word;
}

}  // namespace

bool WireFilter::is_looked_into(char type) const {
  return sender_ == Side::server ? type == 'C' || type == 'Z' : type == 'Q' || type == 'P';
}

bool WireFilter::take_message(std::string& out) {
  const std::string_view rest = std::string_view(held_).substr(at_);
  const bool is_typed = sender_ == Side::server || has_started_;
  const std::size_t length_at = is_typed ? 1 : 0;
  if (rest.size() < length_at + 4) return false;
  const std::size_t whole = length_at + std::max<std::size_t>(4, word_at(rest, length_at));
  const char type = is_typed ? rest[0] : '\0';
  if (is_typed && !is_looked_into(type)) {
    const std::size_t now = std::min(whole, rest.size());
    out.append(rest.substr(0, now));
    at_ += now;
    pass_bytes_ = whole - now;
    return true;
  }
  if (rest.size() < whole) return false;
  const std::string_view body = rest.substr(length_at + 4, whole - length_at - 4);
  if (!is_typed && body.size() >= 4) {
    const std::uint32_t code = word_at(body, 0);
    has_started_ = code != kSslRequest && code != kGssRequest;
  }
  is_dropped_ = look_(type, body) == Answer::drop_and_end;
  if (!is_dropped_) out.append(rest.substr(0, whole));
  at_ += whole;
  return !is_dropped_;
}

bool WireFilter::feed(std::string_view bytes, std::string& out) {
  if (is_dropped_) return false;
  if (awaits_single_byte_ && !bytes.empty()) {
    awaits_single_byte_ = false;
    out += bytes.front();
    bytes.remove_prefix(1);
  }
  const std::size_t passing = std::min(pass_bytes_, bytes.size());
  out.append(bytes.substr(0, passing));
  pass_bytes_ -= passing;
  held_.append(bytes.substr(passing));
  while (at_ < held_.size() && pass_bytes_ == 0 && take_message(out)) {
  }
  held_.erase(0, at_);
  at_ = 0;
  return !is_dropped_;
}

}  // namespace pgfanout::harness

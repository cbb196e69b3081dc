// Views over raw bytes. A view never owns; whoever hands one out states how long it lives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace pgfanout {

using ByteView = std::span<const std::uint8_t>;

/// The bytes of a string, without a copy; valid as long as the string is.
inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// The same bytes seen as characters; valid as long as the bytes are.
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace pgfanout

// Kernels that make text. They write to the target register's bytes, which are sized before the
// first row so that views into them stay valid.
#include <charconv>
#include <cstring>

#include "hashing/key_work.h"
#include "hashing/uuid_text.h"

namespace pgfanout::keyexpr {
namespace {

// The server refuses to build a longer text ("invalid memory alloc request size").
constexpr std::size_t max_text_bytes = 0x3fffffff - 4;
constexpr std::size_t max_integer_digits = 20;

std::uint8_t* room(Register& out, std::size_t bytes) {
  if (out.bytes.size() < bytes) out.bytes.resize(std::max(bytes, 2 * out.bytes.size()));
  return out.bytes.data();
}

std::string_view text_at(const std::uint8_t* at, std::size_t length) {
  return {reinterpret_cast<const char*>(at), length};
}

}  // namespace

void uuid_to_text(const Work& work) {
  const Texts left = work.texts(work.instruction.left);
  Register& out = work.target();
  std::uint8_t* at = room(out, work.batch.rows * uuid_text_bytes);
  each_row(work, left, [&](std::size_t row) {
    write_uuid_text(reinterpret_cast<const std::uint8_t*>(left.value(row).data()), at);
    out.texts[row] = text_at(at, uuid_text_bytes);
    at += uuid_text_bytes;
    return KeyState::ok;
  });
}

void integer_to_text(const Work& work) {
  const Integers left = work.integers(work.instruction.left);
  Register& out = work.target();
  char* at = reinterpret_cast<char*>(room(out, work.batch.rows * max_integer_digits));
  each_row(work, left, [&](std::size_t row) {
    char* end = std::to_chars(at, at + max_integer_digits, left.value(row)).ptr;
    out.texts[row] = {at, static_cast<std::size_t>(end - at)};
    at = end;
    return KeyState::ok;
  });
}

void boolean_to_text(const Work& work) {
  const Integers left = work.integers(work.instruction.left);
  Register& out = work.target();
  each_row(work, left, [&](std::size_t row) {
    out.texts[row] = left.value(row) != 0 ? "true" : "false";
    return KeyState::ok;
  });
}

void strip_blanks(const Work& work) {
  const Texts left = work.texts(work.instruction.left);
  Register& out = work.target();
  each_row(work, left, [&](std::size_t row) {
    const std::string_view text = left.value(row);
    out.texts[row] = text.substr(0, text.find_last_not_of(' ') + 1);
    return KeyState::ok;
  });
}

void concatenate(const Work& work) {
  const Texts left = work.texts(work.instruction.left);
  const Texts right = work.texts(work.instruction.right);
  Register& out = work.target();
  std::size_t total = 0;
  each_row(work, left, right, [&](std::size_t row) {
    const std::size_t length = left.value(row).size() + right.value(row).size();
    if (length > max_text_bytes) return KeyState::out_of_range;
    total += length;
    return KeyState::ok;
  });
  std::uint8_t* at = room(out, total);
  for (std::size_t row = 0; row < work.batch.rows; ++row) {
    if (out.states[row] != KeyState::ok) continue;
    std::uint8_t* start = at;
    for (const std::string_view part : {left.value(row), right.value(row)}) {
      if (!part.empty()) std::memcpy(at, part.data(), part.size());
      at += part.size();
    }
    out.texts[row] = text_at(start, static_cast<std::size_t>(at - start));
  }
}

}  // namespace pgfanout::keyexpr

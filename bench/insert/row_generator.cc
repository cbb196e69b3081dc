#include "bench/insert/row_generator.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <string_view>

#include "copier/base/byte_order.h"

namespace pgfanout::bench {
namespace {

constexpr std::uint64_t kCollections = 5000;
constexpr std::uint64_t kRowsPerDocument = 20;
constexpr std::int64_t kSecondsFrom1970To2000 = 946'684'800;
constexpr std::int64_t kFirstSecond = 789'004'800;  // 2025-01-01
constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// SplitMix64: well mixed, and known by its published answers.
std::uint64_t next(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15ULL;
  std::uint64_t value = state;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31U);
}

/// A version 4 UUID from a number of one kind.
Row::Uuid make_uuid(std::uint64_t kind, std::uint64_t number) {
  std::uint64_t state = (kind << 56U) ^ number;
  Row::Uuid uuid{};
  store_be64(uuid.data(), next(state));
  store_be64(uuid.data() + 8, next(state));
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0fU) | 0x40U);
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3fU) | 0x80U);
  return uuid;
}

/// Random letters, six bits each.
std::string make_content(std::uint64_t number, std::uint32_t bytes) {
  std::string content(bytes, ' ');
  std::uint64_t state = ~number;
  std::uint64_t bits = 0;
  for (std::uint32_t at = 0; at < bytes; ++at) {
    if (at % 10 == 0) bits = next(state);
    content[at] = kLetters[bits & 63U];
    bits >>= 6U;
  }
  return content;
}

void append_be32(std::uint32_t value, std::string& to) {
  std::uint8_t image[4];
  store_be32(image, value);
  to.append(reinterpret_cast<const char*>(image), sizeof image);
}

void append_be64(std::uint64_t value, std::string& to) {
  std::uint8_t image[8];
  store_be64(image, value);
  to.append(reinterpret_cast<const char*>(image), sizeof image);
}

void append_uuid(const Row::Uuid& uuid, std::string& to) {
  append_be32(static_cast<std::uint32_t>(uuid.size()), to);
  to.append(reinterpret_cast<const char*>(uuid.data()), uuid.size());
}

void append_uuid_text(const Row::Uuid& uuid, std::string& to) {
  for (std::size_t at = 0; at < uuid.size(); ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) to += '-';
    fmt::format_to(std::back_inserter(to), "{:02x}", uuid[at]);
  }
}

}  // namespace

std::uint32_t content_bytes(Width width) {
  switch (width) {
    case Width::narrow:
      return 16;
    case Width::demo:
      return 360;
    case Width::wide:
      return 8000;
  }
  return 0;
}

Row make_row(std::uint64_t number, Width width) {
  Row row;
  std::uint64_t state = number;
  row.id = make_uuid(1, number);
  row.collection_id = make_uuid(2, next(state) % kCollections);
  row.document_id = make_uuid(3, number / kRowsPerDocument);
  row.chunk_index = static_cast<std::int32_t>(number % kRowsPerDocument);
  row.content = make_content(number, content_bytes(width));
  row.created_at = kFirstSecond + static_cast<std::int64_t>(number);
  return row;
}

void append_fields(const Row& row, std::string& to) {
  append_uuid(row.id, to);
  append_uuid(row.collection_id, to);
  append_uuid(row.document_id, to);
  append_be32(4, to);
  append_be32(static_cast<std::uint32_t>(row.chunk_index), to);
  append_be32(static_cast<std::uint32_t>(row.content.size()), to);
  to += row.content;
  append_be32(8, to);
  append_be64(static_cast<std::uint64_t>(row.created_at) * 1'000'000U, to);
}

void append_text(const Row& row, std::string& to) {
  for (const Row::Uuid* uuid : {&row.id, &row.collection_id, &row.document_id}) {
    append_uuid_text(*uuid, to);
    to += '\t';
  }
  const std::chrono::sys_seconds at(std::chrono::seconds(row.created_at + kSecondsFrom1970To2000));
  fmt::format_to(std::back_inserter(to), "{}\t{}\t{:%Y-%m-%d %H:%M:%S}+00", row.chunk_index,
                 row.content, fmt::gmtime(std::chrono::system_clock::to_time_t(at)));
}

}  // namespace pgfanout::bench

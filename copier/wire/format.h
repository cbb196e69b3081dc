// The constants of the binary COPY format, each stated once. Layout: copier/wire/FORMAT.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace pgfanout {

/// Chosen so that a transfer that mangles text (line ends, NULs, the high bit) shows at once.
inline constexpr std::array<std::uint8_t, 11> kCopySignature = {'P',  'G',  'C',  'O',  'P', 'Y',
                                                                '\n', 0xff, '\r', '\n', 0};

inline constexpr std::size_t kFlagsOffset = kCopySignature.size();
inline constexpr std::size_t kExtensionLengthOffset = kFlagsOffset + 4;
/// Signature, flags, length of the extension; the extension itself follows.
inline constexpr std::size_t kFixedHeaderBytes = kExtensionLengthOffset + 4;

/// Flags that a reader must understand or refuse, and the only one that was ever assigned.
inline constexpr std::uint32_t kCriticalFlags = 0xffff0000U;
inline constexpr std::uint32_t kOidsFlag = 0x00010000U;
inline constexpr std::uint32_t kMaxExtensionBytes = 1U << 20;

inline constexpr std::size_t kFieldCountBytes = 2;
inline constexpr std::size_t kLengthWordBytes = 4;
/// The field count that marks the trailer, and the length that marks NULL.
inline constexpr std::uint16_t kTrailerCount = 0xffffU;
inline constexpr std::uint32_t kNullLength = 0xffffffffU;

/// MaxTupleAttributeNumber: what a query can return.
inline constexpr std::uint16_t kMaxFields = 1664;
/// MaxAllocSize: what a server can hold in one value.
inline constexpr std::uint32_t kMaxFieldBytes = 0x3fffffffU;
/// One row, from its field count to the end of its last field.
inline constexpr std::uint64_t kMaxRowBytes = 1ULL << 30;

inline constexpr std::array<std::uint8_t, kFixedHeaderBytes> kPlainHeader = {
    'P', 'G', 'C', 'O', 'P', 'Y', '\n', 0xff, '\r', '\n', 0, 0, 0, 0, 0, 0, 0, 0, 0};
inline constexpr std::array<std::uint8_t, kFieldCountBytes> kTrailer = {0xff, 0xff};

}  // namespace pgfanout

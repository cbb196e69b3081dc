// The shape of a row in the stream that is read, and of the row that is written.
//
//   read:   [copied 0..c) [compared only c..d) [stored key]      digest covers fields 0..d)
//   write:  [copied 0..c) [key]
//
// Copied fields come first so that they, and the digest's fields, are one contiguous piece of
// bytes. "Compared only" are generated columns: the target's server computes them, the digest
// proves them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "copier/wire/encoder.h"
#include "hashing/key_expression.h"

namespace pgfanout {

/// A one-dimensional or deeper array whose element type has another OID in the target's database:
/// the OID stands 8 bytes behind the start of the field's data.
struct OidPatch {
  std::uint16_t field = 0;
  std::uint32_t from_oid = 0;
  std::uint32_t to_oid = 0;
};

struct RowLayout {
  std::uint16_t fields = 0;                 ///< In the stream.
  std::uint16_t copied = 0;                 ///< c: written as they are.
  std::uint16_t digested = 0;               ///< d: covered by the digest.
  std::vector<std::uint16_t> key_fields;    ///< Arguments of the key expression.
  std::optional<std::uint16_t> stored_key;  ///< Field with the key that the side stores.
  KeyType stored_key_type = KeyType::int4;  ///< int2, int4 or int8.
  KeyField written_key = KeyField::int4;    ///< How the key is appended when writing.
  std::vector<OidPatch> oid_patches;        ///< Applied before digest and writing.
};

}  // namespace pgfanout

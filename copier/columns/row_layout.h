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
#include <span>
#include <vector>

#include "copier/wire/encoder.h"
#include "hashing/key_expression.h"

namespace pgfanout {

/// The OIDs of types within the binary form of a value, and those that the same types have in the
/// target's database.
struct TypeShape {
  /// How the parts follow each other. Plain: nothing within has to change.
  enum class Form : std::uint8_t { plain, array, composite, range, multirange };
  Form form = Form::plain;
  std::uint32_t from_oid = 0;  ///< Of the type itself, as an array or a composite around it has it.
  std::uint32_t to_oid = 0;
  std::vector<TypeShape> parts;  ///< Element; fields; range's subtype; multirange's range.
};

/// Rewrites them in place; false if the value does not have that form.
[[nodiscard]] bool rewrite_oids(const TypeShape& shape, std::span<std::uint8_t> value);

/// A field whose values carry OIDs that are others in the target's database.
struct OidPatch {
  std::uint16_t field = 0;
  TypeShape shape;
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

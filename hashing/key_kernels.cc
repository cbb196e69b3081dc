// One kernel an operation, and the switch that picks it.
#include "hashing/key_kernels.h"

#include "copier/base/byte_order.h"
#include "hashing/key_arithmetic.h"
#include "hashing/key_types.h"
#include "hashing/key_work.h"
#include "hashing/pg_hash.h"

namespace pgfanout::keyexpr {
namespace {

// --- Columns of the batch ---

/// How many bytes a field of a fixed-width type has; 0 for any.
std::int32_t width_of(KeyType type) {
  switch (type) {
    case KeyType::boolean:
      return 1;
    case KeyType::int2:
      return 2;
    case KeyType::int4:
      return 4;
    case KeyType::int8:
      return 8;
    case KeyType::uuid:
      return 16;
    default:
      return 0;
  }
}

std::int64_t read_integer(const std::uint8_t* at, KeyType type) {
  switch (type) {
    case KeyType::boolean:
      return *at != 0 ? 1 : 0;
    case KeyType::int2:
      return static_cast<std::int16_t>(load_be16(at));
    case KeyType::int4:
      return static_cast<std::int32_t>(load_be32(at));
    default:
      return static_cast<std::int64_t>(load_be64(at));
  }
}

KeyState mark_malformed(Frame& frame, std::size_t row) {
  if (!frame.any_malformed) frame.malformed.fill(false);
  frame.any_malformed = true;
  frame.malformed[row] = true;
  return KeyState::malformed;
}

void load(const Work& work) {
  const KeyType type = work.instruction.type;
  const std::int32_t width = width_of(type);
  const bool as_integer = is_held_as_integer(type);
  const FieldRef* fields = work.batch.fields + work.instruction.field;
  Register& out = work.target();
  bool all_ok = true;
  for (std::size_t row = 0; row < work.batch.rows; ++row) {
    const FieldRef field = fields[row * work.batch.fields_per_row];
    KeyState state = KeyState::ok;
    if (field.length == -1) {
      state = KeyState::null;
    } else if (field.length < 0 || (width != 0 && field.length != width)) {
      state = mark_malformed(work.frame, row);
    } else if (as_integer) {
      out.integers[row] = read_integer(work.batch.base + field.offset, type);
    } else {
      out.texts[row] = {reinterpret_cast<const char*>(work.batch.base) + field.offset,
                        static_cast<std::size_t>(field.length)};
    }
    out.states[row] = state;
    all_ok &= state == KeyState::ok;
  }
  out.all_ok = all_ok;
}

// --- Integers ---

template <class Integer, class Function>
void arithmetic(const Work& work, Function function) {
  const Integers left = work.integers(work.instruction.left);
  const Integers right = work.integers(work.instruction.right);
  Register& out = work.target();
  each_row(work, left, right, [&](std::size_t row) {
    Integer result = 0;
    const KeyState state = function(static_cast<Integer>(left.value(row)),
                                    static_cast<Integer>(right.value(row)), result);
    out.integers[row] = result;
    return state;
  });
}

template <class Integer>
void arithmetic(const Work& work) {
  switch (work.instruction.operation) {
    case Operation::add:
      return arithmetic<Integer>(work, checked_add<Integer>);
    case Operation::subtract:
      return arithmetic<Integer>(work, checked_subtract<Integer>);
    case Operation::multiply:
      return arithmetic<Integer>(work, checked_multiply<Integer>);
    case Operation::divide:
      return arithmetic<Integer>(work, checked_divide<Integer>);
    case Operation::modulo:
      return arithmetic<Integer>(work, checked_modulo<Integer>);
    case Operation::bit_and:
      return arithmetic<Integer>(work, bit_and<Integer>);
    case Operation::bit_or:
      return arithmetic<Integer>(work, bit_or<Integer>);
    default:
      return arithmetic<Integer>(work, bit_xor<Integer>);
  }
}

template <class Integer, class Function>
void one_integer(const Work& work, Function function) {
  const Integers left = work.integers(work.instruction.left);
  Register& out = work.target();
  each_row(work, left, [&](std::size_t row) {
    Integer result = 0;
    const KeyState state = function(left.value(row), result);
    out.integers[row] = result;
    return state;
  });
}

template <class Integer>
void one_integer(const Work& work) {
  switch (work.instruction.operation) {
    case Operation::negate:
      return one_integer<Integer>(work, checked_negate<Integer>);
    case Operation::absolute:
      return one_integer<Integer>(work, checked_absolute<Integer>);
    default:
      return one_integer<Integer>(work, checked_narrow<Integer>);
  }
}

/// Calls `kernel` with a value of the C++ type that `type` stands for.
template <class Kernel>
void with_integer_type(KeyType type, Kernel kernel) {
  if (type == KeyType::int2) return kernel(std::int16_t{});
  if (type == KeyType::int4) return kernel(std::int32_t{});
  return kernel(std::int64_t{});
}

// --- Choosing ---

template <class Value>
void coalesce(const Work& work, const Column<Value>& left, const Column<Value>& right,
              std::array<Value, sub_batch_rows>& values) {
  Register& out = work.target();
  bool all_ok = true;
  for (std::size_t row = 0; row < work.batch.rows; ++row) {
    const auto& chosen = left.state(row) == KeyState::null ? right : left;
    out.states[row] = chosen.state(row);
    if (out.states[row] == KeyState::ok) values[row] = chosen.value(row);
    all_ok &= out.states[row] == KeyState::ok;
  }
  out.all_ok = all_ok;
}

/// Not strict: beside a NULL, the left value stays as it is.
template <class Value>
void nullif(const Work& work, const Column<Value>& left, const Column<Value>& right,
            std::array<Value, sub_batch_rows>& values) {
  Register& out = work.target();
  bool all_ok = true;
  for (std::size_t row = 0; row < work.batch.rows; ++row) {
    KeyState state = left.state(row);
    if (!failed(state) && failed(right.state(row))) state = right.state(row);
    if (state == KeyState::ok) {
      values[row] = left.value(row);
      if (right.state(row) == KeyState::ok && right.value(row) == left.value(row)) {
        state = KeyState::null;
      }
    }
    out.states[row] = state;
    all_ok &= state == KeyState::ok;
  }
  out.all_ok = all_ok;
}

void choose(const Work& work) {
  const Instruction& instruction = work.instruction;
  Register& out = work.target();
  const bool is_coalesce = instruction.operation == Operation::coalesce;
  if (is_held_as_integer(instruction.type)) {
    const Integers left = work.integers(instruction.left);
    const Integers right = work.integers(instruction.right);
    is_coalesce ? coalesce(work, left, right, out.integers)
                : nullif(work, left, right, out.integers);
  } else {
    const Texts left = work.texts(instruction.left);
    const Texts right = work.texts(instruction.right);
    is_coalesce ? coalesce(work, left, right, out.texts) : nullif(work, left, right, out.texts);
  }
}

// --- Hashes ---

void hash_text(const Work& work) {
  const Texts left = work.texts(work.instruction.left);
  Register& out = work.target();
  each_row(work, left, [&](std::size_t row) {
    out.integers[row] = hashtext(as_bytes(left.value(row)));
    return KeyState::ok;
  });
}

void hash_text_extended(const Work& work) {
  const Texts left = work.texts(work.instruction.left);
  const Integers seed = work.integers(work.instruction.right);
  Register& out = work.target();
  each_row(work, left, seed, [&](std::size_t row) {
    out.integers[row] = hashtextextended(as_bytes(left.value(row)), seed.value(row));
    return KeyState::ok;
  });
}

void hash_integer(const Work& work) {
  const Integers left = work.integers(work.instruction.left);
  Register& out = work.target();
  each_row(work, left, [&](std::size_t row) {
    out.integers[row] = hashint8(left.value(row));
    return KeyState::ok;
  });
}

void hash_integer_extended(const Work& work) {
  const Integers left = work.integers(work.instruction.left);
  const Integers seed = work.integers(work.instruction.right);
  Register& out = work.target();
  each_row(work, left, seed, [&](std::size_t row) {
    out.integers[row] = hashint8extended(left.value(row), seed.value(row));
    return KeyState::ok;
  });
}

}  // namespace

void execute(const Instruction& instruction, const Program& program, Frame& frame,
             const SubBatch& batch) {
  const Work work{instruction, program, frame, batch};
  switch (instruction.operation) {
    case Operation::load:
      return load(work);
    case Operation::constant:
      return;
    case Operation::add:
    case Operation::subtract:
    case Operation::multiply:
    case Operation::divide:
    case Operation::modulo:
    case Operation::bit_and:
    case Operation::bit_or:
    case Operation::bit_xor:
      return with_integer_type(instruction.type,
                               [&](auto zero) { arithmetic<decltype(zero)>(work); });
    case Operation::negate:
    case Operation::absolute:
    case Operation::narrow:
      return with_integer_type(instruction.type,
                               [&](auto zero) { one_integer<decltype(zero)>(work); });
    case Operation::integer_to_text:
      return integer_to_text(work);
    case Operation::boolean_to_text:
      return boolean_to_text(work);
    case Operation::uuid_to_text:
      return uuid_to_text(work);
    case Operation::strip_blanks:
      return strip_blanks(work);
    case Operation::concatenate:
      return concatenate(work);
    case Operation::coalesce:
    case Operation::nullif:
      return choose(work);
    case Operation::hash_bytes:
      return hash_text(work);
    case Operation::hash_bytes_extended:
      return hash_text_extended(work);
    case Operation::hash_integer:
      return hash_integer(work);
    case Operation::hash_integer_extended:
      return hash_integer_extended(work);
  }
}

}  // namespace pgfanout::keyexpr

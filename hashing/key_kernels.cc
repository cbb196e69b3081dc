// One kernel for each operation, and the switch that picks it.
#include "hashing/key_forms.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "copier/base/byte_order.h"
#include "hashing/pg_hash.h"

namespace pgfanout::keyexpr {
namespace {

// --- Operands and rows ---
//
// Operands are columns (a constant is a column whose stride is zero). Rows that are NULL or failed
// keep that state: the first failed operand wins, as on the server, which evaluates operands from
// left to right before it handles NULL.

template <class Value>
struct Column {
  const Value* values;
  const KeyState* states;
  std::size_t stride;
  bool all_ok;

  const Value& value(std::size_t row) const { return values[row * stride]; }
  KeyState state(std::size_t row) const { return states[row * stride]; }
};
using Integers = Column<std::int64_t>;
using Texts = Column<std::string_view>;

/// The data that one kernel works with.
struct Work {
  const Instruction& instruction;
  const Program& program;
  Frame& frame;
  const SubBatch& batch;

  [[nodiscard]] Register& target() const { return *frame.registers[instruction.target]; }

  [[nodiscard]] Integers integers(Slot slot) const {
    return column(slot, &Constant::integer, &Register::integers);
  }
  [[nodiscard]] Texts texts(Slot slot) const {
    return column(slot, &Constant::view, &Register::texts);
  }

 private:
  template <class Value, class Values>
  Column<Value> column(Slot slot, Value Constant::*value, Values Register::*values) const {
    if (slot.constant) {
      const Constant& constant = program.constants[slot.index];
      return {&(constant.*value), &constant.state, 0, constant.state == KeyState::ok};
    }
    const Register& from = *frame.registers[slot.index];
    return {(from.*values).data(), from.states.data(), 1, from.all_ok};
  }
};

bool failed(KeyState state) {
  return state > KeyState::null;
}

KeyState combine(KeyState left, KeyState right) {
  if (failed(left)) return left;
  return failed(right) ? right : std::max(left, right);
}

/// Sets the state of every row to what `compute` returns, or to that of a NULL or failed operand.
template <class Left, class Compute>
void each_row(const Work& work, const Left& left, Compute compute) {
  Register& out = work.target();
  bool all_ok = true;
  for (std::size_t row = 0; row < work.batch.rows; ++row) {
    KeyState state = left.all_ok ? KeyState::ok : left.state(row);
    if (state == KeyState::ok) state = compute(row);
    out.states[row] = state;
    all_ok &= state == KeyState::ok;
  }
  out.all_ok = all_ok;
}

template <class Left, class Right, class Compute>
void each_row(const Work& work, const Left& left, const Right& right, Compute compute) {
  Register& out = work.target();
  const bool inputs_ok = left.all_ok && right.all_ok;
  bool all_ok = true;
  for (std::size_t row = 0; row < work.batch.rows; ++row) {
    KeyState state = inputs_ok ? KeyState::ok : combine(left.state(row), right.state(row));
    if (state == KeyState::ok) state = compute(row);
    out.states[row] = state;
    all_ok &= state == KeyState::ok;
  }
  out.all_ok = all_ok;
}

// --- Columns of the batch ---

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
//
// The server's arithmetic never wraps and is never undefined. Each function writes `result` and
// returns ok, or returns why there is none.

constexpr KeyState unless_overflow(bool overflow) {
  return overflow ? KeyState::out_of_range : KeyState::ok;
}

template <class Integer>
KeyState checked_add(Integer left, Integer right, Integer& result) {
  return unless_overflow(__builtin_add_overflow(left, right, &result));
}

template <class Integer>
KeyState checked_subtract(Integer left, Integer right, Integer& result) {
  return unless_overflow(__builtin_sub_overflow(left, right, &result));
}

template <class Integer>
KeyState checked_multiply(Integer left, Integer right, Integer& result) {
  return unless_overflow(__builtin_mul_overflow(left, right, &result));
}

/// Truncates towards zero. The smallest integer divided by -1 does not fit.
template <class Integer>
KeyState checked_divide(Integer left, Integer right, Integer& result) {
  if (right == 0) return KeyState::division_by_zero;
  if (right == -1) return checked_subtract(Integer{0}, left, result);
  result = static_cast<Integer>(left / right);
  return KeyState::ok;
}

/// Has the sign of `left`. By -1 it is 0, also for the smallest integer.
template <class Integer>
KeyState checked_modulo(Integer left, Integer right, Integer& result) {
  if (right == 0) return KeyState::division_by_zero;
  result = right == -1 ? Integer{0} : static_cast<Integer>(left % right);
  return KeyState::ok;
}

template <class Integer>
KeyState bit_and(Integer left, Integer right, Integer& result) {
  result = static_cast<Integer>(left & right);
  return KeyState::ok;
}

template <class Integer>
KeyState bit_or(Integer left, Integer right, Integer& result) {
  result = static_cast<Integer>(left | right);
  return KeyState::ok;
}

template <class Integer>
KeyState bit_xor(Integer left, Integer right, Integer& result) {
  result = static_cast<Integer>(left ^ right);
  return KeyState::ok;
}

template <class Integer>
KeyState checked_narrow(std::int64_t value, Integer& result) {
  return unless_overflow(__builtin_add_overflow(value, 0, &result));
}

template <class Integer>
KeyState checked_negate(std::int64_t value, Integer& result) {
  return unless_overflow(__builtin_sub_overflow(0, value, &result));
}

template <class Integer>
KeyState checked_absolute(std::int64_t value, Integer& result) {
  return value < 0 ? checked_negate(value, result) : checked_narrow(value, result);
}

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

// --- Text ---
//
// These kernels write to the target register's bytes, which are sized before the first row so that
// views into them stay valid.

constexpr std::size_t uuid_text_bytes = 36;

constexpr std::array<std::array<char, 2>, 256> make_pairs() {
  constexpr char digits[] = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t value = 0; value < pairs.size(); ++value) {
    pairs[value] = {digits[value >> 4], digits[value & 15U]};
  }
  return pairs;
}

constexpr auto hex_pairs = make_pairs();

/// Writes the 16 bytes at `uuid` to `out` as the server does: 8-4-4-4-12 lower-case digits.
void write_uuid_text(const std::uint8_t* uuid, std::uint8_t* out) {
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) *out++ = '-';
    std::memcpy(out, hex_pairs[uuid[i]].data(), 2);
    out += 2;
  }
}

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

/// Not strict: with a NULL on the right, the left value is the result.
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

template <class Value, class Hash>
void hash(const Work& work, const Column<Value>& left, Hash hash_of) {
  Register& out = work.target();
  each_row(work, left, [&](std::size_t row) {
    out.integers[row] = hash_of(left.value(row));
    return KeyState::ok;
  });
}

template <class Value, class Hash>
void hash_extended(const Work& work, const Column<Value>& left, Hash hash_of) {
  const Integers seed = work.integers(work.instruction.right);
  Register& out = work.target();
  each_row(work, left, seed, [&](std::size_t row) {
    out.integers[row] = hash_of(left.value(row), seed.value(row));
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
      return hash(work, work.texts(instruction.left),
                  [](std::string_view value) { return hashtext(as_bytes(value)); });
    case Operation::hash_bytes_extended:
      return hash_extended(work, work.texts(instruction.left),
                           [](std::string_view value, std::int64_t seed) {
                             return hashtextextended(as_bytes(value), seed);
                           });
    case Operation::hash_integer:
      return hash(work, work.integers(instruction.left),
                  [](std::int64_t value) { return hashint8(value); });
    case Operation::hash_integer_extended:
      return hash_extended(
          work, work.integers(instruction.left),
          [](std::int64_t value, std::int64_t seed) { return hashint8extended(value, seed); });
  }
}

}  // namespace pgfanout::keyexpr

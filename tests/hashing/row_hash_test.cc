// The row hash against a server's answers, against a naive twin, and what it must notice.
#include "hashing/row_hash.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/hashing/naive_lookup3.h"

namespace pgfanout {
namespace {

using Fields = std::vector<std::optional<std::string>>;

std::string word(std::uint32_t value) {
  std::string bytes;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(value >> shift);
  return bytes;
}

std::string encoded(const Fields& fields) {
  std::string bytes;
  for (const auto& field : fields) {
    bytes += field ? word(static_cast<std::uint32_t>(field->size())) + *field : word(0xFFFFFFFFU);
  }
  return bytes;
}

std::uint64_t hash_of(const std::vector<HashForm>& forms, const Fields& fields) {
  const std::string bytes = encoded(fields);
  // The vector ends with the row, so that a sanitizer sees any read behind it.
  const std::vector<char> row(bytes.begin(), bytes.end());
  return row_hash(forms, as_bytes({row.data(), row.size()}));
}

/// The words of hash_record_extended() and hashint4extended(): byte by byte, value by value.
std::uint64_t naive_hash(const std::vector<HashForm>& forms, const Fields& fields) {
  const auto of_int4 = [](std::uint32_t value, std::uint64_t seed) {
    return naive::lookup3({reinterpret_cast<const char*>(&value), sizeof value}, seed);
  };
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < fields.size(); ++at) {
    std::uint64_t element = 0;
    if (fields[at] && forms[at] == HashForm::integer) {
      // Arithmetic in place of bits: the number, less 2^bits if its first bit is set.
      std::int64_t number = 0;
      std::int64_t range = 1;
      for (const char byte : *fields[at]) {
        number = number * 256 + static_cast<unsigned char>(byte);
        range *= 256;
      }
      element =
          of_int4(static_cast<std::uint32_t>(number < range / 2 ? number : number - range), 0);
    } else if (fields[at]) {
      const bool is_versioned = forms[at] == HashForm::versioned;
      element = naive::lookup3(is_versioned ? fields[at]->substr(1) : *fields[at], 0);
    }
    sum = sum * 31 + element;
  }
  return of_int4(0, sum);
}

constexpr HashForm kBytes = HashForm::bytes;
constexpr HashForm kInteger = HashForm::integer;
constexpr HashForm kVersioned = HashForm::versioned;

TEST(RowHashBytesTest, AgreesWithTheServersKnownAnswers) {
  struct Known {
    std::vector<HashForm> forms;
    Fields fields;
    std::int64_t hash;
  };
  const std::string null(1, '\0');
  // Of PostgreSQL 15.20; 14 and 18 give the same. The values of ROW are behind the numbers:
  // SELECT hashint4extended(0, hash_record_extended(ROW(...), 0)).
  const std::vector<Known> all = {
      {{}, {}, 4154612158245552303},
      {{kBytes, kBytes}, {{}, {}}, 4154612158245552303},        // NULL::text, NULL::text
      {{kBytes}, {""}, 4696542705509922086},                    // '' COLLATE "C"
      {{kBytes}, {"a"}, 2365941913067651810},                   // 'a'
      {{kBytes, kBytes}, {"a", {}}, 7484615234163183170},       // 'a', NULL
      {{kBytes, kBytes}, {{}, "a"}, 2365941913067651810},       // NULL, 'a'
      {{kBytes, kBytes}, {"a", "b"}, -5699647894655062785},     // 'a', 'b'
      {{kBytes, kBytes}, {"b", "a"}, -2864622729248456223},     // 'b', 'a'
      {{kInteger}, {word(0)}, -4362791895136309350},            // 0
      {{kInteger}, {word(0xFFFFFFFFU)}, -7106480645605563793},  // -1, and 4294967295::oid
      {{kInteger}, {"\xff\xff"}, -7106480645605563793},         // (-1)::int2
      {{kInteger}, {word(0x80000000U)}, -855927983903172335},   // -2147483648
      {{kInteger}, {"\1"}, 6042857575333843411},                // true
      {{kInteger}, {null}, -4362791895136309350},               // false
      {{kInteger}, {word(1)}, 6042857575333843411},             // '2000-01-02'::date
      {{kBytes}, {word(0) + word(1)}, 1989355218028007789},     // int8send(1)
      {{kBytes}, {word(1) + word(1)}, 7621396971853394917},     // int8send(4294967297)
      {{kVersioned}, {"\1{}"}, 5732177960877865423},            // '{}'::jsonb::text COLLATE "C"
      {{kBytes}, {null + "\xff"}, 7196395259908018813},         // '\x00ff'::bytea
      {{kBytes},                                                // a uuid
       {"\x55\x0e\x84" + null + "\xe2\x9b\x41\xd4\xa7\x16\x44\x66\x55\x44" + null + null},
       5267952381358942142},
      // 7, 'größe' COLLATE "C", NULL::bytea, int8send(4294967297)
      {{kInteger, kBytes, kBytes, kBytes},
       {word(7), "größe", {}, word(1) + word(1)},
       -3300063956899374331},
  };
  for (const Known& known : all) {
    EXPECT_EQ(static_cast<std::int64_t>(hash_of(known.forms, known.fields)), known.hash);
  }
}

/// One random row: NULL, empty, short and long values.
Fields random_fields(std::mt19937_64& random, const std::vector<HashForm>& forms,
                     std::size_t most_pieces = 20) {
  Fields fields;
  for (const HashForm form : forms) {
    fields.emplace_back();
    if (random() % 5 == 0) continue;
    const std::size_t width = std::size_t{1} << random() % 3;
    std::string value(form == kInteger ? width : random() % 40 * (random() % most_pieces), '\0');
    for (char& byte : value) byte = static_cast<char>(random());
    if (form == kVersioned) value.insert(value.begin(), '\1');
    fields.back() = value;
  }
  return fields;
}

std::vector<HashForm> random_forms(std::mt19937_64& random) {
  std::vector<HashForm> forms(random() % 20);
  for (HashForm& form : forms) form = std::vector{kBytes, kInteger, kVersioned}[random() % 3];
  return forms;
}

TEST(RowHashBytesTest, AgreesWithTheNaiveTwin) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 500; ++i) {
    const std::vector<HashForm> forms = random_forms(random);
    const Fields fields = random_fields(random, forms);
    EXPECT_EQ(hash_of(forms, fields), naive_hash(forms, fields));
  }
}

TEST(RowHashBytesTest, EveryBitOfEveryValueCounts) {
  std::mt19937_64 random(2);
  for (int i = 0; i < 25; ++i) {
    const std::vector<HashForm> forms = random_forms(random);
    Fields fields = random_fields(random, forms, 2);
    std::set<std::uint64_t> seen = {hash_of(forms, fields)};
    for (auto& field : fields) {
      if (!field) continue;
      for (std::size_t bit = 0; bit < 8 * field->size(); ++bit) {
        char& byte = (*field)[bit / 8];
        byte = static_cast<char>(byte ^ (1 << bit % 8));
        EXPECT_TRUE(seen.insert(hash_of(forms, fields)).second) << bit;
        byte = static_cast<char>(byte ^ (1 << bit % 8));
      }
    }
  }
}

TEST(RowHashBytesTest, NullIsNoValue) {
  for (const HashForm form : {kBytes, kInteger, kVersioned}) {
    const std::uint64_t null = hash_of({form}, {{}});
    EXPECT_NE(null, hash_of({form}, {std::string(4, '\0')}));
    EXPECT_NE(null, hash_of({form}, {""}));
  }
  EXPECT_NE(hash_of({kVersioned}, {"\1"}), hash_of({kVersioned}, {{}}));
}

TEST(RowHashBytesTest, TheSumSeesValuesThatRowsOrColumnsExchange) {
  const std::vector<HashForm> forms = {kInteger, kBytes, kBytes};
  const auto sum = [&](const Fields& a, const Fields& b) {
    return hash_of(forms, a) + hash_of(forms, b);
  };
  const std::uint64_t before = sum({word(1), "a", "x"}, {word(2), "b", {}});
  EXPECT_NE(before, sum({word(1), "b", "x"}, {word(2), "a", {}}));
  EXPECT_NE(before, sum({word(2), "a", "x"}, {word(1), "b", {}}));
  EXPECT_NE(before, sum({word(1), "a", {}}, {word(2), "b", "x"}));
  EXPECT_NE(before, sum({word(1), "x", "a"}, {word(2), "b", {}}));
  EXPECT_NE(before, sum({word(1), "a", "x"}, {word(2), {}, "b"}));
  EXPECT_EQ(before, sum({word(2), "b", {}}, {word(1), "a", "x"}));
}

}  // namespace
}  // namespace pgfanout

// Compares the hash functions with a server's, over random values.
#include "hashing/pg_hash.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>

#include "tests/harness/test_server.h"
#include "tests/hashing/key_rows.h"
#include "tests/hashing/sql_hash.h"

namespace pgfanout {
namespace {

constexpr std::uint64_t seed = 7;

/// Random characters of 1 to 4 bytes, without those that COPY's text format escapes.
std::string random_text(std::mt19937_64& random) {
  static const std::vector<std::string> characters = {"a", "Z", " ", "0", "é", "ß", "日", "€", "🐘"};
  std::string text;
  const auto length = random() % 60;
  for (std::uint64_t i = 0; i < length; ++i) text += characters[random() % characters.size()];
  return text;
}

std::string random_uuid(std::mt19937_64& random) {
  std::string uuid = "00000000-0000-0000-0000-000000000000";
  for (char& c : uuid) {
    if (c != '-') c = "0123456789abcdef"[random() % 16];
  }
  return uuid;
}

std::string random_integer(std::mt19937_64& random) {
  return std::to_string(static_cast<std::int64_t>(random()) >> (random() % 64));
}

TEST(HashTest, AgreesWithTheServer) {
  harness::TestServer& server = harness::TestServer::shared();
  harness::Session session = server.connect(server.create_database("hash"));
  session.execute("CREATE TABLE v (id int, t text, u uuid, n int8, s int8)");
  std::mt19937_64 random(seed);
  std::string data;
  for (int i = 0; i < 5000; ++i) {
    data += std::to_string(i) + "\t" + random_text(random) + "\t" + random_uuid(random) + "\t" +
            random_integer(random) + "\t" + random_integer(random) + "\n";
  }
  session.copy_in("COPY v FROM STDIN", data);
  const harness::TextRows rows = session.rows(
      "SELECT t, u, n, s, hashtext(t), hashtextextended(t, s), hashbpchar(t::bpchar),"
      "  hashbpcharextended(t::bpchar, s), uuid_hash(u), uuid_hash_extended(u, s), hashint8(n),"
      "  hashint8extended(n, s), hashint4((n % 2147483648)::int4),"
      "  hashint4extended((n % 2147483648)::int4, s), hashint2((n % 32768)::int2),"
      "  hashint2extended((n % 32768)::int2, s) FROM v ORDER BY id");
  ASSERT_EQ(rows.size(), 5000U);
  for (const harness::TextRow& row : rows) {
    const ByteView text = as_bytes(*row[0]);
    const std::string uuid_text = binary_from_hex(*row[1]);
    const ByteView uuid = as_bytes(uuid_text);
    const std::int64_t n = std::stoll(*row[2]);
    const std::int64_t s = std::stoll(*row[3]);
    const auto n4 = static_cast<std::int32_t>(n % 2147483648);
    const auto n2 = static_cast<std::int16_t>(n % 32768);
    const std::int64_t mine[] = {
        hashtext(text),  hashtextextended(text, s),   hashbpchar(text), hashbpcharextended(text, s),
        uuid_hash(uuid), uuid_hash_extended(uuid, s), hashint8(n),      hashint8extended(n, s),
        hashint4(n4),    hashint4extended(n4, s),     hashint2(n2),     hashint2extended(n2, s)};
    for (std::size_t i = 0; i < std::size(mine); ++i) {
      ASSERT_EQ(std::to_string(mine[i]), *row[4 + i])
          << "function " << i << " of '" << *row[0] << "', " << *row[1] << ", " << *row[2] << ", "
          << *row[3] << "; seed " << seed;
    }
  }
}

TEST(HashTest, ByteaAgreesWithServersThatHaveIt) {
  harness::TestServer& server = harness::TestServer::shared();
  harness::Session session = server.connect(server.create_database("hash_bytea"));
  if (server.major() < 18) {
    EXPECT_THROW(session.execute("SELECT hashbytea('x'::bytea)"), harness::ServerError);
    return;
  }
  const std::string bytes("\0\xff\x80 a", 5);
  EXPECT_EQ(session.value("SELECT hashbytea('\\x00ff802061')"),
            std::to_string(hashbytea(as_bytes(bytes))));
  EXPECT_EQ(session.value("SELECT hashbyteaextended('\\x00ff802061', 42)"),
            std::to_string(hashbyteaextended(as_bytes(bytes), 42)));
}

}  // namespace
}  // namespace pgfanout

// Databases in other encodings, used from a terminal in UTF-8: names on the command line find their
// tables, what is printed and written is UTF-8, and rows keep the server's bytes.
#include <algorithm>
#include <array>
#include <fstream>
#include <memory>

#include "tests/harness/session.h"
#include "tests/harness/temporary_file.h"
#include "tests/integration/window_fixture.h"

namespace pgfanout {
namespace {

using testing::CommandResult;
using testing::Json;

class EncodingsTest : public testing::WindowFixture {
 protected:
  /// A database in that encoding; SQL below is UTF-8 all the same.
  void use(const std::string& encoding) {
    database = server().create_database("enc", encoding);
    session_ = std::make_unique<harness::Session>(dsn() + " client_encoding=UTF8");
  }
  void sql(const std::string& text) const { session_->execute(text); }
  [[nodiscard]] std::string answer(const std::string& text) const { return session_->value(text); }

  /// public.<table> with a text key column and values of which some are, read as UTF-8, others.
  void make_table(const std::string& table, const std::string& column, const std::string& letters) {
    sql("CREATE TABLE " + table + " (id bigint PRIMARY KEY, " + column + " text, n int DEFAULT 7)");
    sql("INSERT INTO " + table + " SELECT i, '" + letters + "' || i || '" + letters +
        "', i FROM generate_series(1, 300) i");
  }
  [[nodiscard]] std::string digest(const std::string& table, const std::string& column) const {
    return answer("SELECT md5(string_agg(md5(convert_to(" + column +
                  ", getdatabaseencoding())), '' ORDER BY id)) FROM " + table);
  }
  CommandResult on(const std::string& command, const std::string& table, const std::string& column,
                   std::vector<std::string> more = {}) {
    std::vector<std::string> words = {
        "--table", table, "--key", "abs(hashtext(" + column + ")) % 4", "--partitions", "4"};
    words.insert(words.end(), more.begin(), more.end());
    return window(command, words);
  }
  std::unique_ptr<harness::Session> session_;
};

TEST_F(EncodingsTest, ATableIsNamedAsTheTerminalWritesIt) {
  // "Ã¤" in LATIN1 has the bytes of an "ä" in UTF-8.
  const std::vector<std::array<std::string, 4>> cases = {
      {"LATIN1", "tür", "größe", "Ã¤ß"},        {"WIN1252", "preis_€", "größe", "€uro"},
      {"EUC_JP", "表", "名前", "日本語テスト"}, {"KOI8R", "таблица", "имя", "строка"},
      {"UTF8", "tür", "größe", "日本€"},        {"SQL_ASCII", "tür", "größe", "ä"}};
  for (const auto& [encoding, table, column, letters] : cases) {
    use(encoding);
    make_table(table, column, letters);
    const CommandResult copied = on("copy", table, column);
    ASSERT_EQ(copied.exit_code, 0) << encoding << copied;
    EXPECT_EQ(json["source"]["table"], "public.\"" + table + "\"") << encoding;
    EXPECT_NE(copied.out.find(table + "_new_p3"), std::string::npos) << encoding;
    EXPECT_EQ(digest(table, column), digest(table + "_new", column)) << encoding;
    EXPECT_EQ(answer("SELECT count(*) FROM " + table + "_new WHERE partition_key <> abs(hashtext(" +
                     column + ")) % 4"),
              "0");
    EXPECT_EQ(answer("SELECT target_name FROM pgfanout.job"), table + "_new") << encoding;
    const CommandResult equal = on("verify", table, column, {"--data"});
    EXPECT_EQ(equal.exit_code, 0) << encoding << equal;
    const CommandResult key =
        window("key", {"--table", table, "--key", "abs(hashtext(" + column + ")) % 4", "--value",
                       letters, "--partitions", "4"});
    EXPECT_EQ(key.exit_code, 0) << encoding << key;
  }
}

TEST_F(EncodingsTest, AWindowRunsThereAndBack) {
  use("LATIN1");
  make_table("tür", "größe", "Ã¤ß");
  sql("CREATE INDEX größe_idx ON tür (größe); CREATE ROLE \"prüfer" + database +
      "\";"
      "ALTER TABLE tür ADD CONSTRAINT kein_ö CHECK (größe <> 'ö' AND größe <> 'Ã¶');"
      "COMMENT ON TABLE tür IS 'für Ã¤'; GRANT SELECT ON tür TO \"prüfer" +
      database +
      "\";"
      "CREATE VIEW übersicht AS SELECT größe FROM tür WHERE größe <> 'ü'");
  const std::string before = digest("tür", "größe");
  const harness::TemporaryFile events("");
  const CommandResult ran = on("run", "tür", "id::text", {"--swap", "--events", events.path()});
  ASSERT_EQ(ran.exit_code, 0) << ran;
  EXPECT_EQ(digest("tür", "größe"), before);
  EXPECT_EQ(answer("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'kein_ö'"
                   " AND conrelid = 'tür'::regclass"),
            "CHECK (((\"größe\" <> 'ö'::text) AND (\"größe\" <> 'Ã¶'::text)))");
  EXPECT_EQ(answer("SELECT obj_description('tür'::regclass)"), "für Ã¤");
  std::ifstream file(events.path());
  std::string line;
  while (std::getline(file, line)) {
    EXPECT_FALSE(Json::parse(line, nullptr, false).is_discarded()) << line;
    EXPECT_EQ(line.find("\\ufffd"), std::string::npos) << line;
    EXPECT_EQ(line.find("\xef\xbf\xbd"), std::string::npos) << line;
  }
  const CommandResult back = on("rollback", "tür", "id::text");
  EXPECT_EQ(back.exit_code, 0) << back;
  EXPECT_EQ(digest("tür", "größe"), before);
  sql("DROP OWNED BY \"prüfer" + database + "\"; DROP ROLE \"prüfer" + database + "\"");
}

TEST_F(EncodingsTest, DifferencesAreNamedInUtf8AndRepairedByteForByte) {
  use("LATIN1");
  sql("CREATE TABLE tür (größe text PRIMARY KEY, wert text);"
      "INSERT INTO tür SELECT 'Ã¤ß' || i, 'ä' || i FROM generate_series(1, 100) i");
  ASSERT_EQ(on("copy", "tür", "größe").exit_code, 0);
  const std::string whole =
      "SELECT md5(string_agg(größe || wert, '' ORDER BY größe COLLATE \"C\")) FROM ";
  sql("UPDATE tür_new SET wert = 'Ã¤' WHERE größe = 'Ã¤ß7'; DELETE FROM tür_new WHERE größe = "
      "'Ã¤ß8'");
  EXPECT_EQ(on("verify", "tür", "größe", {"--data"}).exit_code, 1);
  ASSERT_EQ(json["differences"]["rows"].size(), 2U);
  std::vector<std::string> named;
  for (const Json& row : json["differences"]["rows"]) named.push_back(row["identity"]["größe"]);
  std::sort(named.begin(), named.end());
  EXPECT_EQ(named, (std::vector<std::string>{"Ã¤ß7", "Ã¤ß8"}));
  const CommandResult repaired = on("verify", "tür", "größe", {"--data", "--repair", "--yes"});
  EXPECT_EQ(repaired.exit_code, 0) << repaired;
  EXPECT_EQ(answer(whole + "tür"), answer(whole + "tür_new"));
}

TEST_F(EncodingsTest, WordsThatTheServerCannotHaveAreRefusedAndOthersPass) {
  use("LATIN1");
  make_table("tür", "größe", "Ã¤ß");
  const CommandResult none = on("copy", "表", "größe");
  EXPECT_EQ(none.exit_code, 2) << none;
  EXPECT_EQ(error_code(), "not-in-encoding") << none;
  const CommandResult near = on("copy", "tüx", "größe");
  EXPECT_EQ(near.exit_code, 2) << near;
  EXPECT_NE(near.out.find("tür"), std::string::npos) << near;
  const CommandResult value = on("copy", "tür", "größe", {"--map", "neu=größe || '語'"});
  EXPECT_EQ(value.exit_code, 2) << value;
  EXPECT_EQ(error_code(), "not-in-encoding") << value;
  const CommandResult mapped = on("copy", "tür", "größe", {"--map", "neu=größe || 'ö'"});
  ASSERT_EQ(mapped.exit_code, 0) << mapped;
  EXPECT_EQ(answer("SELECT count(*) FROM tür_new WHERE neu = größe || 'ö'"), "300");
  // A terminal in the server's own encoding.
  const CommandResult raw =
      window("verify", {"--table", "t\xfcr", "--key", "abs(hashtext(größe)) % 4", "--partitions",
                        "4", "--data", "--map", "neu=größe || 'ö'"});
  EXPECT_EQ(raw.exit_code, 0) << raw;
  // A target in another encoding is refused by name.
  const std::string utf8 = server().create_database("enc", "UTF8");
  const CommandResult other = on("copy", "tür", "größe", {"--target", server().dsn(utf8)});
  EXPECT_EQ(other.exit_code, 2) << other;
  EXPECT_EQ(error_code(), "encoding-differs") << other;
}

}  // namespace
}  // namespace pgfanout

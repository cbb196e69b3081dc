// Safe text and readable figures.
#include "copier/report/text/text.h"

#include <gtest/gtest.h>

#include <utility>

namespace pgfanout {
namespace {

TEST(Printable, LeavesOrdinaryTextAlone) {
  EXPECT_EQ(printable("public.\"Täble 表 🐘\""), "public.\"Täble 表 🐘\"");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, EscapesWhatMovesOrColoursTheTerminal) {
  EXPECT_EQ(printable("a\x1b[2Jb"), "a\\x1b[2Jb");
  EXPECT_EQ(printable("a\r\nb\tc\x7f"), "a\\x0d\\x0ab\\x09c\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xc2\x9b"), "\\u{009b}");  // CSI as one C1 character.
  EXPECT_EQ(printable("\xe2\x80\xae"
                      "x"),
            "\\u{202e}x");  // Right-to-left override.
  EXPECT_EQ(printable("\xe2\x81\xa6"
                      "x"),
            "\\u{2066}x");
  EXPECT_EQ(printable("\xe2\x80\xa8"), "\\u{2028}");
}

TEST(Printable, EscapesBytesThatAreNoUtf8) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\xc3"), "\\xc3");
  EXPECT_EQ(printable("\xc3("), "\\xc3(");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");  // Overlong.
  EXPECT_EQ(printable("\xe0\x80\x80"), "\\xe0\\x80\\x80");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");  // Surrogate.
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("\x80"), "\\x80");
}

TEST(Printable, EveryByteAloneIsSafe) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string safe = printable(std::string(1, static_cast<char>(byte)));
    for (const char c : safe) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << byte;
  }
}

TEST(PrintableLines, IndentsLaterLines) {
  EXPECT_EQ(printable_lines("abs(x\n    ^", 9), "abs(x\n             ^");
  EXPECT_EQ(printable_lines("a\nerror: b\x1b", 2), "a\n  error: b\\x1b");
  EXPECT_EQ(printable_lines("a\n", 2), "a");
  EXPECT_EQ(printable_lines("", 2), "");
  // A server reads these as the same names.
  EXPECT_EQ(printable_lines("GRANT SELECT ON public.\"a\nb\"\"c\\\" TO x", 2),
            "GRANT SELECT ON public.U&\"a\\000ab\"\"c\\\\\" TO x");
  EXPECT_EQ(printable_lines("\"t\xc3\xbcr\" \"\xf3\xa0\x80\xa0\t\" \"a b\"", 2),
            "\"t\xc3\xbcr\" U&\"\xf3\xa0\x80\xa0\\0009\" \"a b\"");
  EXPECT_EQ(printable_lines("\"\xfc\x01\" and 5\" of\nit", 2), "\"\\xfc\\x01\" and 5\" of\n  it");
}

TEST(Columns, AreCodePoints) {
  EXPECT_EQ(columns_of("abc"), 3U);
  EXPECT_EQ(columns_of("█▏"), 2U);
}

TEST(Commas, GroupThousands) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(with_commas(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(BytesText, PicksItsUnit) {
  const std::pair<double, const char*> cases[] = {
      {0, "0 B"},           {999, "999 B"},  {1000, "1.0 kB"},   {586.1e6, "586.1 MB"},
      {999.96e3, "1.0 MB"}, {1e9, "1.0 GB"}, {2.5e12, "2.5 TB"}, {3e18, "3.0 EB"},
      {-1, "0 B"},
  };
  for (const auto& [bytes, text] : cases) EXPECT_EQ(bytes_text(bytes), text);
}

TEST(SecondsText, PicksItsUnit) {
  const std::pair<double, const char*> cases[] = {
      {0, "0.00 s"},   {0.421, "0.42 s"}, {9.999, "10.0 s"}, {59.94, "59.9 s"},
      {59.96, "1:00"}, {187, "3:07"},     {7384, "2:03:04"}, {-1, "0.00 s"}};
  for (const auto& [seconds, text] : cases) EXPECT_EQ(seconds_text(seconds), text);
  EXPECT_EQ(clock_text(42), "0:42");
  EXPECT_EQ(clock_text(1e300), "9999:00:00");
}

}  // namespace
}  // namespace pgfanout

// Words that are printed for a shell, asked of the shells themselves.
#include "copier/base/shell_word.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "copier/base/utf8.h"

namespace pgfanout {
namespace {

TEST(ShellWord, IsQuotedWhereItMustBe) {
  EXPECT_EQ(shell_word("public.chunks"), "public.chunks");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(shell_word("host=a dbname=b"), "'host=a dbname=b'");
  EXPECT_EQ(shell_word("it's $HOME"), "'it'\\''s $HOME'");
  EXPECT_EQ(shell_word("tür"), "'tür'");
  EXPECT_EQ(shell_word("a\nb'c\\7"), "$'a\\012b\\'c\\\\7'");
}

/// A shell's reading of a line in a script: its words, each followed by a NUL.
std::string words_by(const std::string& shell, const std::string& line) {
  const std::string script = testing::TempDir() + "shell_word_" + std::to_string(getpid());
  std::ofstream(script) << "printf '%s\\0' " << line << '\n';
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen((shell + " " + script).c_str(), "r"),
                                                   pclose);
  std::string words;
  for (int byte = fgetc(pipe.get()); byte != EOF; byte = fgetc(pipe.get())) {
    words += static_cast<char>(byte);
  }
  std::filesystem::remove(script);
  return words;
}

TEST(ShellWord, GivesTheSameBytesBackInAShell) {
  std::string all;
  for (int byte = 1; byte < 256; ++byte) all += static_cast<char>(byte);
  const std::vector<std::string> words = {"it's $HOME `id` $(id)",
                                          "a\nb",
                                          "\n",
                                          "trailing\n",
                                          "tab\there",
                                          "back\\slash\\n",
                                          "!!",
                                          "a!b'c",
                                          "-x",
                                          "*?[a]~",
                                          "t\xfcr",
                                          "tür",
                                          "\xe2\x80\xae"
                                          "turned",
                                          "\x7f"
                                          "7",
                                          "'",
                                          "''",
                                          "\\",
                                          "$'x'",
                                          "\0337",
                                          "a\x01"
                                          "23",
                                          "#no comment",
                                          "",
                                          "=x",
                                          all};
  for (const std::string& word : words) {
    const std::string quoted = shell_word(word);
    EXPECT_EQ(printable(quoted), quoted) << "output would change it";
    EXPECT_EQ(words_by("bash", quoted), word + '\0') << quoted;
    if (printable(word) != word) continue;
    EXPECT_EQ(words_by("sh", quoted), word + '\0') << quoted;
  }
}

}  // namespace
}  // namespace pgfanout

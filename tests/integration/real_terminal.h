// A real terminal for programs under test: a tmux server of its own, with one window that can be
// resized, typed into and looked at.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/harness/command.h"

namespace pgfanout::testing {

class RealTerminal {
 public:
  RealTerminal(unsigned columns, unsigned rows, const std::string& locale = "C.UTF-8") {
    std::string folder = (std::filesystem::temp_directory_path() / "pgfanout-tmux-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = folder;
    tmux({"new-session", "-d", "-s", "test", "-x", std::to_string(columns), "-y",
          std::to_string(rows), "env LC_ALL=" + locale + " PS1='prompt> ' TERM=screen sh"});
    EXPECT_TRUE(wait_for("prompt>")) << screen();
  }
  ~RealTerminal() {
    tmux({"kill-server"});
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  RealTerminal(const RealTerminal&) = delete;
  RealTerminal& operator=(const RealTerminal&) = delete;

  /// A line for the shell.
  void type(const std::string& line) {
    tmux({"send-keys", "-t", "test", "-l", line});
    press("Enter");
  }
  void press(const std::string& key) { tmux({"send-keys", "-t", "test", key}); }
  void resize(unsigned columns, unsigned rows) {
    tmux(
        {"resize-window", "-t", "test", "-x", std::to_string(columns), "-y", std::to_string(rows)});
  }
  [[nodiscard]] std::string screen(bool with_codes = false) const {
    std::vector<std::string> words = {"capture-pane", "-p", "-t", "test"};
    if (with_codes) words.insert(words.begin() + 1, "-e");
    return tmux(words);
  }
  bool wait_for(const std::string& text) const {
    return wait_until([&](const std::string& now) { return now.find(text) != now.npos; });
  }
  /// False if the screen does not become so within a time that is long for any machine.
  template <class Predicate>
  bool wait_until(Predicate&& is_so) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < until) {
      if (is_so(screen())) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  [[nodiscard]] bool has_cursor() const {
    return tmux({"display-message", "-p", "-t", "test", "#{cursor_flag}"}) == "1\n";
  }

 private:
  std::string tmux(std::vector<std::string> words) const {
    words.insert(words.begin(), {"tmux", "-S", folder_ + "/socket", "-f", "/dev/null"});
    harness::CommandOptions options;
    options.environment = {{"TMUX", std::nullopt}, {"LC_ALL", "C.UTF-8"}, {"TERM", "screen"}};
    return harness::run_command(words, std::move(options)).out;
  }

  std::string folder_;
};

/// A command line for its shell.
inline std::string shell_words(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "'" : " '") + word + "'";
  return line;
}

}  // namespace pgfanout::testing

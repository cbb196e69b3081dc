// Drawing in place, against a terminal that breaks lines, scrolls and is resized.
#include "copier/report/live/live_screen.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace pgfanout {
namespace {

/// As much of a terminal as the live screen uses.
class Terminal {
 public:
  Terminal(std::size_t columns, std::size_t rows) : columns_(columns), rows_(rows, "") {}

  void write(const std::string& text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
      const char letter = text[at];
      if (letter == '\x1b') {
        const std::size_t end = text.find_first_of("ABCDHJKm", at);
        ASSERT_NE(end, std::string::npos);
        obey(text[end], std::string(text, at + 2, end - at - 2));
        at = end;
      } else if (letter == '\r') {
        column_ = 0;
      } else if (letter == '\n') {
        feed();
      } else {
        if (column_ == columns_) {
          column_ = 0;
          feed();
        }
        rows_[row_].resize(std::max(rows_[row_].size(), column_ + 1), ' ');
        rows_[row_][column_++] = letter;
      }
    }
  }
  /// Like a terminal that wraps its lines again, in the worst way: all that was there is garbage.
  void resize(std::size_t columns, std::size_t rows) {
    columns_ = columns;
    rows_.assign(rows, std::string(columns, '?'));
    row_ = rows - 1;
    column_ = 0;
  }
  [[nodiscard]] std::vector<std::string> text() const {
    std::vector<std::string> lines = rows_;
    while (!lines.empty() && lines.back().empty()) lines.pop_back();
    return lines;
  }

 private:
  void feed() {
    if (++row_ < rows_.size()) return;
    rows_.erase(rows_.begin());
    rows_.emplace_back();
    --row_;
  }
  void obey(char command, const std::string& argument) {
    if (command == 'A') row_ -= std::min(row_, std::stoul(argument));
    if (command == 'H') row_ = column_ = 0;
    if (command == 'K') rows_[row_].resize(std::min(rows_[row_].size(), column_));
    if (command != 'J') return;
    if (argument == "2") rows_.assign(rows_.size(), "");
    rows_[row_].resize(std::min(rows_[row_].size(), column_));
    for (std::size_t row = row_ + 1; row < rows_.size(); ++row) rows_[row].clear();
  }

  std::size_t columns_;
  std::vector<std::string> rows_;
  std::size_t row_ = 0;
  std::size_t column_ = 0;
};

using Lines = std::vector<std::string>;

struct Stage {
  Screen screen;
  Terminal terminal;
  LiveScreen live;

  Stage(unsigned columns, unsigned rows) : terminal(columns, rows) { set(columns, rows); }
  void set(unsigned columns, unsigned rows) {
    screen.width = columns;
    screen.height = rows;
  }
  void draw(const Lines& lines) { terminal.write(live.draw(lines, screen)); }
  void print(const std::string& line) { terminal.write(live.print(line, screen)); }
  void resize(unsigned columns, unsigned rows) {
    set(columns, rows);
    terminal.resize(columns, rows);
  }
};

TEST(LiveScreen, LinesAreReplacedInPlace) {
  Stage stage(20, 8);
  stage.draw({"one", "two long", "three"});
  stage.draw({"one", "2", "three"});
  EXPECT_EQ(stage.terminal.text(), (Lines{"one", "2", "three"}));
  stage.draw({"only"});
  EXPECT_EQ(stage.terminal.text(), (Lines{"only"}));
  stage.draw({"a", "b", "c", "d"});
  EXPECT_EQ(stage.terminal.text(), (Lines{"a", "b", "c", "d"}));
}

TEST(LiveScreen, WhatDoesNotChangeIsNotWritten) {
  Stage stage(20, 8);
  stage.draw({"one", "two"});
  EXPECT_EQ(stage.live.draw({"one", "two"}, stage.screen), "");
  EXPECT_EQ(stage.live.draw({"one", "2"}, stage.screen).find("one"), std::string::npos);
}

TEST(LiveScreen, LinesThatStayScrollAbove) {
  Stage stage(10, 4);
  stage.draw({"a", "b"});
  stage.print("first");
  stage.print("second\nand more");
  stage.draw({"a", "B"});
  EXPECT_EQ(stage.terminal.text(), (Lines{"second", "and more", "a", "B"}));
  stage.draw({});
  EXPECT_EQ(stage.terminal.text(), (Lines{"second", "and more"}));
}

TEST(LiveScreen, ATerminalThatShrinksIsDrawnAnew) {
  Stage stage(20, 8);
  stage.print("stays");
  stage.draw({"0123456789 123456", "b"});
  stage.resize(12, 6);
  stage.draw({"0123456", "b"});
  EXPECT_EQ(stage.terminal.text(), (Lines{"stays", "0123456", "b"}));
  stage.print("later");
  EXPECT_EQ(stage.terminal.text(), (Lines{"stays", "later", "0123456", "b"}));
}

TEST(LiveScreen, WhatNobodyTookIsDrawnAnew) {
  Stage stage(20, 8);
  stage.draw({"a", "b"});
  stage.terminal.write("half of somethi");
  stage.live.lost();
  stage.draw({"c", "d"});
  EXPECT_EQ(stage.terminal.text(), (Lines{"c", "d"}));
}

TEST(LiveScreen, ColorsTakeNoColumns) {
  EXPECT_EQ(columns_shown("\x1b[32mab\x1b[0m▒"), 3U);
}

}  // namespace
}  // namespace pgfanout

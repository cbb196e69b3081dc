// Pieces of HTML: nothing that users or servers say can be anything but text.
#include "copier/report/html/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgfanout {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Html, EscapesEveryCharacterThatMeansSomething) {
  EXPECT_EQ(html_text("<script>alert('&\"')</script>"),
            "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;");
  EXPECT_EQ(html_attribute("\" onload=\"x"), "&quot; onload=&quot;x");
  EXPECT_EQ(html_code("a<b"), "<code>a&lt;b</code>");
}

TEST(Html, WhatIsNoTextIsWrittenOut) {
  EXPECT_EQ(html_text(std::string_view("a\0b\x1b[31m\xff", 9)), "a\\x00b\\x1b[31m\\xff");
  EXPECT_EQ(html_text("\xe2\x80\xae"), "\\u{202e}");
  EXPECT_EQ(html_text("\xc3\xa4\xe2\x82\xac"), "\xc3\xa4\xe2\x82\xac");
}

TEST(Html, LinesStayLinesInTextButNotInAttributes) {
  EXPECT_EQ(html_text("one\ntwo\n"), "one<br/>two");
  EXPECT_EQ(html_attribute("one\ntwo"), "one\\x0atwo");
}

TEST(Html, ATableAlignsItsNumbers) {
  HtmlTable table("a \"label\"", {"Name", "#Rows"});
  EXPECT_TRUE(table.is_empty());
  table.row({"x", "12"});
  EXPECT_FALSE(table.is_empty());
  const std::string html = table.html("tall");
  EXPECT_THAT(html, HasSubstr("class=\"wide tall\""));
  EXPECT_THAT(html, HasSubstr("aria-label=\"a &quot;label&quot;\""));
  EXPECT_THAT(html,
              HasSubstr("<th scope=\"col\">Name</th><th scope=\"col\" class=\"n\">Rows</th>"));
  EXPECT_THAT(html, HasSubstr("<tr><td>x</td><td class=\"n\">12</td></tr>"));
}

TEST(Html, ARowMayBeShorterThanItsTable) {
  HtmlTable table("t", {"A", "B"});
  table.row({"x"});
  EXPECT_THAT(table.html(), HasSubstr("<tr><td>x</td><td></td></tr>"));
}

TEST(Html, AFoldIsOpenOrNot) {
  EXPECT_THAT(html_fold("t", "c", true), HasSubstr("<details open=\"open\">"));
  EXPECT_THAT(html_fold("t", "c", false), Not(HasSubstr("open")));
}

}  // namespace
}  // namespace pgfanout

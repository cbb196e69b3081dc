// Pieces of HTML. All text of users and servers passes html_text(), the only place that escapes.
// The output is well-formed XML as well, so that any parser can check it. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgfanout {

/// Text as content or as a quoted attribute's value. Line feeds become <br/>; characters that are
/// not safe for a terminal are written as \xHH here, too.
[[nodiscard]] std::string html_text(std::string_view text);
/// The same without <br/>, for attributes.
[[nodiscard]] std::string html_attribute(std::string_view text);
[[nodiscard]] std::string html_code(std::string_view text);

/// A table that scrolls by itself where it is too wide. Cells are HTML.
class HtmlTable {
 public:
  /// Of a title that begins with '#' the column is numbers, aligned at their end.
  HtmlTable(std::string_view label, std::vector<std::string> titles);
  void row(const std::vector<std::string>& cells);
  [[nodiscard]] std::string html(std::string_view css_class = {}) const;
  /// The same below a heading; empty if the table is.
  [[nodiscard]] std::string html_under(std::string_view heading, std::string_view css_class) const;
  [[nodiscard]] bool is_empty() const { return rows_.empty(); }

 private:
  std::string label_;
  std::vector<std::string> titles_;
  std::string rows_;
};

/// "<section><h2>...": `id` for links within the document.
[[nodiscard]] std::string html_section(std::string_view id, std::string_view title,
                                       const std::string& content);
/// A part that can be folded away; open or not when the document is opened.
[[nodiscard]] std::string html_fold(std::string_view title, const std::string& content,
                                    bool is_open);

}  // namespace pgfanout

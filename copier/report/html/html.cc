#include "copier/report/html/html.h"

#include <fmt/format.h>

#include <array>

#include "copier/report/text/text.h"

namespace pgfanout {
namespace {

bool is_number(const std::string& title) {
  return title.starts_with('#');
}

}  // namespace

std::string html_attribute(std::string_view text) {
  constexpr std::string_view kSpecial = "&<>\"'";
  constexpr std::array kEscaped = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
  std::string html;
  for (const char c : printable(text)) {
    const std::size_t at = kSpecial.find(c);
    if (at == std::string_view::npos) {
      html += c;
    } else {
      html += kEscaped.at(at);
    }
  }
  return html;
}

std::string html_text(std::string_view text) {
  std::string html;
  while (true) {
    const std::size_t end = text.find('\n');
    html += html_attribute(text.substr(0, end));
    if (end == std::string_view::npos || end + 1 == text.size()) return html;
    html += "<br/>";
    text.remove_prefix(end + 1);
  }
}

std::string html_code(std::string_view text) {
  return "<code>" + html_text(text) + "</code>";
}

HtmlTable::HtmlTable(std::string_view label, std::vector<std::string> titles)
    : label_(label), titles_(std::move(titles)) {}

void HtmlTable::row(const std::vector<std::string>& cells) {
  rows_ += "<tr>";
  for (std::size_t at = 0; at < titles_.size(); ++at) {
    rows_ += fmt::format("<td{}>{}</td>", is_number(titles_[at]) ? " class=\"n\"" : "",
                         at < cells.size() ? cells[at] : "");
  }
  rows_ += "</tr>\n";
}

std::string HtmlTable::html(std::string_view css_class) const {
  // It scrolls, so it must be reachable by the keyboard.
  std::string html = fmt::format(
      "<div class=\"wide {}\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">"
      "<table>\n<thead><tr>",
      css_class, html_attribute(label_));
  for (const std::string& title : titles_) {
    html += is_number(title)
                ? fmt::format("<th scope=\"col\" class=\"n\">{}</th>", html_text(title.substr(1)))
                : fmt::format("<th scope=\"col\">{}</th>", html_text(title));
  }
  return html + "</tr></thead>\n<tbody>\n" + rows_ + "</tbody></table></div>\n";
}

std::string HtmlTable::html_under(std::string_view heading, std::string_view css_class) const {
  return is_empty() ? "" : fmt::format("<h3>{}</h3>\n{}", html_text(heading), html(css_class));
}

std::string html_section(std::string_view id, std::string_view title, const std::string& content) {
  return fmt::format(
      "<section id=\"{}\" aria-labelledby=\"{}-h\">\n<h2 id=\"{}-h\">{}</h2>\n{}"
      "</section>\n",
      id, id, id, html_text(title), content);
}

std::string html_fold(std::string_view title, const std::string& content, bool is_open) {
  return fmt::format("<details{}><summary>{}</summary>\n{}</details>\n",
                     is_open ? " open=\"open\"" : "", html_text(title), content);
}

}  // namespace pgfanout

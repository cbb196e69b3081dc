// Shared by the tests of the HTML report: a folder for the files, and ways to read and to look at
// them.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/integration/held_copy.h"

namespace pgfanout::testing {

class ReportFixture : public HeldCopyFixture {
 protected:
  void SetUp() override {
    HeldCopyFixture::SetUp();
    std::string name = (std::filesystem::temp_directory_path() / "pgfanout-report-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string file(const std::string& name) const {
    return (folder_ / (name + ".html")).string();
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    std::ifstream in(file(name));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name) << content;
  }
  /// One that tells what is wrong with each page; it fails if there is no browser.
  [[nodiscard]] CommandResult look_at(const std::vector<std::string>& names) const {
    std::vector<std::string> argv = {"python3", PGFANOUT_SOURCE_DIR "/tests/browser/look_at.py"};
    for (const std::string& name : names) argv.push_back(file(name));
    return harness::run_command(argv);
  }
  static std::string heading(const std::string& html) {
    const std::string before = html.substr(0, html.find("</h1>"));
    return before.substr(before.rfind('>') + 1);
  }
  static std::string part(const std::string& html, const std::string& id) {
    const std::size_t begin = html.find("<section id=\"" + id + "\"");
    if (begin == std::string::npos) return {};
    return html.substr(begin, html.find("</section>", begin) - begin);
  }

  std::filesystem::path folder_;
};

}  // namespace pgfanout::testing

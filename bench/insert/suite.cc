#include "bench/insert/suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "copier/base/lists.h"

namespace pgfanout::bench {
namespace {

/// Puts a suite together, each case once.
class Builder {
 public:
  explicit Builder(const BenchRequest& request) : is_quick_(request.quick) {
    for (const std::string_view name : kBenchMethods) {
      const auto method = method_of(name);
      const bool is_wanted = request.methods.empty() || contains(request.methods, name);
      if (is_wanted && method) methods_.push_back(*method);
    }
  }

  void add_sweep(std::string_view sweep) {
    if (sweep == "method") add_writers({1, 4});
    if (sweep == "key") add_keys();
    if (sweep == "writers" && is_quick_) add_writers({1, 4, 100});
    if (sweep == "writers" && !is_quick_) add_writers({1, 2, 4, 8, 16, 32, 64, 100});
    if (sweep == "batch") add_batches();
    if (sweep == "width") {
      for (const Width width : {Width::narrow, Width::demo, Width::wide}) {
        for (const Method method : methods_) add({.method = method, .width = width});
      }
    }
    if (sweep == "indexes") {
      for (const Method method : methods_) {
        for (const Indexes indexes : {Indexes::none, Indexes::present, Indexes::deferred}) {
          add({.method = method, .indexes = indexes});
        }
      }
    }
  }

  [[nodiscard]] Suite take() { return std::move(suite_); }

 private:
  void add(const InsertCase& each) {
    if (!names_.insert(name_of(each)).second) return;
    if (auto reason = why_impossible(each)) {
      suite_.impossible.push_back({each, *std::move(reason)});
    } else {
      suite_.cases.push_back(each);
    }
  }

  void add_writers(const std::vector<std::uint32_t>& counts) {
    for (const Method method : methods_) {
      for (const std::uint32_t count : counts) add({.method = method, .writers = count});
    }
  }

  void add_keys() {
    for (const Layout layout : {Layout::plain, Layout::list, Layout::expression, Layout::hash}) {
      for (const Method method : methods_) {
        for (const KeyBy key :
             {KeyBy::client, KeyBy::trigger, KeyBy::generated, KeyBy::expression, KeyBy::nobody}) {
          add({.method = method, .layout = layout, .key = key});
        }
      }
    }
    for (const Method method : {Method::row, Method::multirow, Method::copy_binary}) {
      if (!contains(methods_, method)) continue;
      suite_.questions.push_back({method, Layout::plain});
      if (method == Method::multirow) suite_.questions.push_back({method, Layout::expression});
    }
  }

  void add_batches() {
    for (const Method method : methods_) {
      std::vector<std::uint32_t> sizes = {10, 100, 1000};
      if (method == Method::fan_out) sizes.back() = 500;
      if (method == Method::copy_text || method == Method::copy_binary) sizes = {100, 1000, 10'000};
      for (const std::uint32_t size : sizes) add({.method = method, .batch_rows = size});
    }
  }

  bool is_quick_;
  std::vector<Method> methods_;
  std::set<std::string> names_;
  Suite suite_;
};

}  // namespace

InsertCase Question::with(KeyBy key) const {
  return {.method = method, .layout = layout, .key = key};
}

Suite suite_of(const BenchRequest& request) {
  Builder builder(request);
  for (const std::string_view sweep : kBenchSweeps) {
    const bool is_default = sweep == "method" || sweep == "key";
    if (request.sweeps.empty() ? is_default : contains(request.sweeps, sweep)) {
      builder.add_sweep(sweep);
    }
  }
  return builder.take();
}

std::string name_of(const Question& question) {
  return fmt::format("question/generated_for_trigger/{}/layout:{}", to_string(question.method),
                     to_string(question.layout));
}

std::vector<std::string> impossible_lines(const std::vector<Impossible>& cases) {
  struct Line {
    const Impossible* first;
    std::vector<std::string_view> methods;
    std::vector<std::string_view> keys;
  };
  const auto add = [](std::vector<std::string_view>& names, std::string_view name) {
    if (!contains(names, name)) names.push_back(name);
  };
  std::vector<Line> lines;
  for (const Impossible& each : cases) {
    auto line = std::ranges::find_if(lines, [&](const Line& other) {
      return other.first->what.layout == each.what.layout && other.first->reason == each.reason;
    });
    if (line == lines.end()) line = lines.insert(line, {&each, {}, {}});
    add(line->methods, to_string(each.what.method));
    add(line->keys, to_string(each.what.key));
  }
  std::vector<std::string> texts;
  texts.reserve(lines.size());
  for (const Line& line : lines) {
    texts.push_back(fmt::format("layout:{} with key:{} by {}: {}",
                                to_string(line.first->what.layout), fmt::join(line.keys, "|"),
                                fmt::join(line.methods, "|"), line.first->reason));
  }
  return texts;
}

}  // namespace pgfanout::bench

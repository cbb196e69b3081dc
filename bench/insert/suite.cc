#include "bench/insert/suite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace pgfanout::bench {
namespace {

constexpr std::array kLayouts = {Layout::plain, Layout::list, Layout::expression};
constexpr std::array kKeys = {KeyBy::client, KeyBy::trigger, KeyBy::generated, KeyBy::expression,
                              KeyBy::nobody};

/// Puts a suite together, each case once.
class Builder {
 public:
  explicit Builder(const BenchRequest& request) : is_quick_(request.quick) {
    for (const std::string_view name : kBenchMethods) {
      const bool is_wanted =
          request.methods.empty() ||
          std::find(request.methods.begin(), request.methods.end(), name) != request.methods.end();
      const auto method = method_of(name);
      if (is_wanted && method) methods_.push_back(*method);
    }
  }

  void add_sweep(std::string_view sweep) {
    if (sweep == "method") add_methods({1, 4});
    if (sweep == "key") add_keys();
    if (sweep == "writers") add_methods(writers());
    if (sweep == "batch") add_batches();
    if (sweep == "width") add_widths();
    if (sweep == "indexes") add_indexes();
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

  [[nodiscard]] std::vector<std::uint32_t> writers() const {
    if (is_quick_) return {1, 4, 100};
    return {1, 2, 4, 8, 16, 32, 64, 100};
  }

  void add_methods(const std::vector<std::uint32_t>& writer_counts) {
    for (const Method method : methods_) {
      for (const std::uint32_t writer_count : writer_counts) {
        InsertCase each;
        each.method = method;
        each.writers = writer_count;
        add(each);
      }
    }
  }

  void add_keys() {
    for (const Layout layout : kLayouts) {
      for (const Method method : methods_) {
        for (const KeyBy key : kKeys) {
          InsertCase each;
          each.method = method;
          each.layout = layout;
          each.key = key;
          add(each);
        }
      }
    }
    for (const Method method : {Method::row, Method::multirow, Method::copy_binary}) {
      if (std::find(methods_.begin(), methods_.end(), method) == methods_.end()) continue;
      suite_.questions.push_back({method, Layout::plain});
      if (method == Method::multirow) suite_.questions.push_back({method, Layout::expression});
    }
  }

  void add_batches() {
    for (const Method method : methods_) {
      const bool is_copy = method == Method::copy_text || method == Method::copy_binary;
      const std::array<std::uint32_t, 3> small = {10, 100,
                                                  method == Method::fan_out ? 500U : 1000U};
      const std::array<std::uint32_t, 3> large = {100, 1000, 10'000};
      for (const std::uint32_t batch_rows : is_copy ? large : small) {
        InsertCase each;
        each.method = method;
        each.batch_rows = batch_rows;
        add(each);
      }
    }
  }

  void add_widths() {
    for (const Width width : {Width::narrow, Width::demo, Width::wide}) {
      for (const Method method : methods_) {
        InsertCase each;
        each.method = method;
        each.width = width;
        add(each);
      }
    }
  }

  void add_indexes() {
    for (const Method method : methods_) {
      for (const Indexes indexes : {Indexes::none, Indexes::present, Indexes::deferred}) {
        InsertCase each;
        each.method = method;
        each.indexes = indexes;
        add(each);
      }
    }
  }

  bool is_quick_;
  std::vector<Method> methods_;
  std::set<std::string> names_;
  Suite suite_;
};

}  // namespace

InsertCase Question::with(KeyBy key) const {
  InsertCase each;
  each.method = method;
  each.layout = layout;
  each.key = key;
  return each;
}

Suite suite_of(const BenchRequest& request) {
  Builder builder(request);
  for (const std::string_view sweep : kBenchSweeps) {
    const auto& asked = request.sweeps;
    const bool is_wanted = asked.empty()
                               ? sweep == "method" || sweep == "key"
                               : std::find(asked.begin(), asked.end(), sweep) != asked.end();
    if (is_wanted) builder.add_sweep(sweep);
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
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  std::vector<Line> lines;
  for (const Impossible& each : cases) {
    auto line = std::find_if(lines.begin(), lines.end(), [&](const Line& other) {
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

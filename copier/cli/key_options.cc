// The options of the key command alone.
#include <array>
#include <cstdint>
#include <string>

#include "copier/cli/option_table.h"
#include "copier/cli/values.h"

namespace pgfanout {
namespace {

using Text = std::string_view;
using Done = Result<void>;

constexpr Text question = "Question";
constexpr std::uint64_t most_checks = 100'000'000;

// clang-format off
const std::array options = {
    OptionSpec{question, "--value", "VALUE", "A value of the key's only column, or COLUMN=VALUE; repeatable", true,
               [](Text value, Invocation& to) -> Done {
                 to.key.values.emplace_back(value);
                 return {};
               }},
    OptionSpec{question, "--check", "N", "Compare N random, adversarial and sampled values with the server", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.key.check, parse_number(value, 1, most_checks));
                 return {};
               }},
    OptionSpec{question, "--seed", "N", "Seed of the random values, to repeat a check. Default: 1", false,
               [](Text value, Invocation& to) -> Done {
                 PGFANOUT_TRY_ASSIGN(to.key.seed, parse_number(value, 0, UINT64_MAX));
                 return {};
               }},
};
// clang-format on

}  // namespace

OptionTable key_options() {
  return options;
}

}  // namespace pgfanout

// Exceptions as errors: what they say, and that none gets through.
#include "copier/base/caught.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include "copier/base/stop.h"

namespace pgfanout {
namespace {

TEST(CaughtTest, ErrorsNameTheThreadAndTheWayOut) {
  const Error memory = error_of_exception("the reader", std::bad_alloc());
  EXPECT_EQ(memory.code, "internal");
  EXPECT_EQ(memory.consequence, Consequence::interrupt);
  EXPECT_EQ(memory.message, "the reader ran out of memory");
  EXPECT_NE(memory.hint.find("--memory"), std::string::npos);
  const auto hint_of = [](int number) {
    const std::system_error thrown(number, std::generic_category(), "eventfd");
    return error_of_exception("the writer", thrown).hint;
  };
  EXPECT_NE(hint_of(EMFILE).find("ulimit -n"), std::string::npos);
  EXPECT_NE(hint_of(EAGAIN).find("ulimit -u"), std::string::npos);
  EXPECT_NE(hint_of(EIO).find("report this"), std::string::npos);
  const Error defect = error_of_exception("the worker", std::length_error("too long"));
  EXPECT_EQ(defect.message, "the worker failed within itself: too long");
}

TEST(CaughtTest, WorkThatThrowsHasFailed) {
  const auto by = [](auto exception) {
    return run_caught("the reader", [&]() -> Result<void> { throw exception; });
  };
  EXPECT_EQ(by(std::bad_alloc()).error().message, "the reader ran out of memory");
  EXPECT_EQ(by(42).error().code, "internal") << "not even a std::exception";
  EXPECT_TRUE(run_caught("the reader", [] {}));
  const auto failed = run_caught("the reader", []() -> Result<void> { return refused("x", "y"); });
  EXPECT_EQ(failed.error().code, "x");
}

TEST(CaughtTest, APipelineStopsWhenAThreadThrows) {
  const Cancellation user;
  Stop stop(user);
  stop.guard("the writer", [] { throw std::bad_alloc(); });
  ASSERT_TRUE(stop.is_set());
  EXPECT_EQ(stop.error()->message, "the writer ran out of memory");
}

}  // namespace
}  // namespace pgfanout

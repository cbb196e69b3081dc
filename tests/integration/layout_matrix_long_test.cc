// Every layout copied into every layout.
#include "tests/integration/layout_matrix.h"

namespace pgfanout {
namespace {

class LayoutMatrixLongTest : public testing::LayoutMatrixFixture {};

TEST_F(LayoutMatrixLongTest, EveryPair) {
  for (const std::string& source : sources()) {
    for (const std::string& target : targets()) {
      SCOPED_TRACE(source + " to " + target);
      database = server().create_database("copy");
      make_source(source);
      copy_into(target);
    }
  }
}

}  // namespace
}  // namespace pgfanout

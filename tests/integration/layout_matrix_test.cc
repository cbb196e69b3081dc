// Each layout as a source and each as a target, in some pairs; layout_matrix_long_test.cc has all.
#include "tests/integration/layout_matrix.h"

namespace pgfanout {
namespace {

class LayoutMatrixTest : public testing::LayoutMatrixFixture {
 protected:
  void copy_from_to(const std::string& source, const std::string& target) {
    SCOPED_TRACE(source + " to " + target);
    make_source(source);
    copy_into(target);
  }
};

TEST_F(LayoutMatrixTest, PlainToHash) {
  copy_from_to("plain", "hash");
}
TEST_F(LayoutMatrixTest, HashToRange) {
  copy_from_to("hash", "range");
}
TEST_F(LayoutMatrixTest, RangeToList) {
  copy_from_to("range", "list");
}
TEST_F(LayoutMatrixTest, ListToKey) {
  copy_from_to("list", "key");
}
TEST_F(LayoutMatrixTest, KeyToNone) {
  copy_from_to("key", "none");
}
TEST_F(LayoutMatrixTest, SubpartitionedToExisting) {
  copy_from_to("sub", "existing");
}

}  // namespace
}  // namespace pgfanout

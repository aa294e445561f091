#include "base/dims.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace slipway {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

TEST(Dims, CountAndStridesAreRowMajor) {
  const Dims dims{2, 3, 4};
  EXPECT_EQ(dims.count(), 24);
  EXPECT_EQ(dims.count(1, 3), 12);
  EXPECT_EQ(dims.strides(), (Dims{12, 4, 1}));
  EXPECT_EQ(Dims{}.count(), 1);
}

TEST(Dims, PrintsItsExtents) {
  EXPECT_EQ(to_string(Dims{1, 3, 224, 224}), "1x3x224x224");
  EXPECT_EQ(to_string(Dims{}), "scalar");
}

TEST(Dims, CheckedCountRefusesNegativeAndHugeExtents) {
  const int64_t good[] = {3, 0, 5}, negative[] = {3, -1}, huge[] = {int64_t{1} << 40, int64_t{1} << 40};
  EXPECT_EQ(checked_count(good, kNoLimit), 0);
  EXPECT_EQ(checked_count(negative, kNoLimit), -1);
  EXPECT_EQ(checked_count(huge, kNoLimit), -1);
  EXPECT_EQ(checked_count(std::array<int64_t, 2>{4, 4}, 15), -1);
}

}  // namespace
}  // namespace slipway

#include "ir/fact.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "small_ops.hpp"

namespace slipway::ir {
namespace {

TEST(Dim, ArithmeticKeepsWhatIsKnown) {
  const Dim n = Dim::symbol(0), unknown = Dim::unknown();
  EXPECT_EQ(Dim(2) * Dim(3), Dim(6));
  EXPECT_EQ(n * Dim(1), n);
  EXPECT_EQ(Dim(1) * n, n);
  EXPECT_EQ(n + Dim(0), n);
  EXPECT_EQ(n - Dim(0), n);
  EXPECT_EQ(n / Dim(1), n);
  EXPECT_EQ(n * Dim(0), Dim(0));
  EXPECT_EQ(n * Dim(2), unknown);
  EXPECT_EQ(n + n, unknown);
  EXPECT_EQ(Dim(7) / Dim(2), Dim(3));
}

TEST(Dim, ArithmeticNeverInventsASymbol) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const Dim unknown = Dim::unknown();
  EXPECT_EQ(Dim(3) - Dim(5), unknown);  // -2 would be a symbol
  EXPECT_EQ(Dim(kMax) + Dim(1), unknown);
  EXPECT_EQ(Dim(kMax) * Dim(2), unknown);
  EXPECT_EQ(Dim(1) / Dim(0), unknown);
}

TEST(Dim, SameNeedsCertainty) {
  EXPECT_TRUE(Dim(3).same(3));
  EXPECT_TRUE(Dim::symbol(1).same(Dim::symbol(1)));
  EXPECT_FALSE(Dim::symbol(1).same(Dim::symbol(2)));
  EXPECT_FALSE(Dim::unknown().same(Dim::unknown()));
}

TEST(Fact, CompatibleFindsContradictions) {
  const Fact image = f32({1, 3, Dim::symbol(0), Dim::unknown()});
  EXPECT_TRUE(compatible(image, f32({1, 3, 7, 8})));
  EXPECT_TRUE(compatible(image, Fact()));
  EXPECT_TRUE(compatible(image, Fact::tensor(ElementType::f32)));
  EXPECT_TRUE(compatible(image, Fact::tensor(ElementType::undefined, Shape{1, 3, 2, 2})));
  EXPECT_FALSE(compatible(image, f32({1, 4, 7, 8})));
  EXPECT_FALSE(compatible(image, f32({1, 3, 7})));
  EXPECT_FALSE(compatible(image, Fact::tensor(ElementType::f16, Shape{1, 3, 7, 8})));
  EXPECT_FALSE(compatible(image, Fact::sequence(image)));
  EXPECT_FALSE(compatible(Fact::sequence(f32({1})), Fact::sequence(f32({2}))));
}

TEST(Fact, MergeTakesWhatEitherKnows) {
  const Fact a = f32({1, Dim::symbol(0), Dim::unknown()}),
             b = Fact::tensor(ElementType::undefined, Shape{Dim::unknown(), 5, Dim::symbol(2)});
  const Fact merged = merge(a, b);
  EXPECT_EQ(merged.type, ElementType::f32);
  EXPECT_EQ(*merged.shape, (Shape{1, 5, Dim::symbol(2)}));
  EXPECT_EQ(to_string(merge(Fact(), a)), to_string(a));
  EXPECT_EQ(to_string(merge(Fact::tensor(ElementType::f32), a)), to_string(a));
}

TEST(Fact, StaticMeansThatItCanLiveInAnArena) {
  EXPECT_TRUE(f32({1, 0}).is_static());
  EXPECT_TRUE(f32({}).is_static());
  EXPECT_FALSE(f32({Dim::symbol(0)}).is_static());
  EXPECT_FALSE(Fact::tensor(ElementType::f32).is_static());
  EXPECT_FALSE(Fact::tensor(ElementType::string, Shape{1}).is_static());
  Fact optional = f32({1});
  optional.optional = true;
  EXPECT_FALSE(optional.is_static());
  EXPECT_EQ(f32({2, 3}).dims(), (Dims{2, 3}));
}

TEST(Fact, Prints) {
  const std::vector<std::string> symbols = {"batch", "seq len"};
  EXPECT_EQ(to_string(f32({Dim::symbol(0), 3, Dim::unknown(), Dim::symbol(1)}), &symbols), "f32[batch,3,?,\"seq len\"]");
  EXPECT_EQ(to_string(f32({Dim::symbol(1)})), "f32[s1]");
  EXPECT_EQ(to_string(Fact::tensor(ElementType::bf16)), "bf16[...]");
  Fact optional = Fact::sequence(f32({}));
  optional.optional = true;
  EXPECT_EQ(to_string(optional), "optional(seq(f32[]))");
  EXPECT_EQ(to_string(Fact::map(ElementType::i64, f32({1}))), "map(i64,f32[1])");
  EXPECT_EQ(to_string(Fact()), "?");
}

}  // namespace
}  // namespace slipway::ir

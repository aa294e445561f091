// The plans of an engine: found again, shared, bounded in number and bytes.
#include "runtime/plan_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "unit/plan/plans.hpp"

namespace slipway::runtime {
namespace {

class Plans : public testing::Test {
 protected:
  std::shared_ptr<const plan::Plan> get(PlanCache& cache, int64_t width) {
    auto plan = cache.get({1, width}, graph_, plan::floats({{2, width}}));
    EXPECT_TRUE(plan) << plan.error().text();
    return plan ? *plan : nullptr;
  }
  const ir::Graph graph_ = plan::graph_of("input %x: f32[2,W]\n%y = Relu(%x)\n%z = Exp(%y)\noutput %z");
};

TEST_F(Plans, FoundAgain) {
  PlanCache cache(plan::portable_options());
  const auto first = get(cache, 4);
  EXPECT_EQ(get(cache, 4), first);
  EXPECT_NE(get(cache, 5), first);
  EXPECT_EQ(cache.size(), 2u);
}

TEST_F(Plans, LeastRecentlyUsedGoesFirst) {
  PlanCache cache(plan::portable_options(), {.plans = 2});
  const auto one = get(cache, 1), two = get(cache, 2);
  get(cache, 1);
  get(cache, 3);
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(get(cache, 1), one);
  EXPECT_NE(get(cache, 2), two) << "was forgotten";
}

TEST_F(Plans, BytesAreBounded) {
  PlanCache cache(plan::portable_options());
  get(cache, 1);
  const size_t each = cache.bytes();
  ASSERT_GT(each, 0u);
  PlanCache small(plan::portable_options(), {.plans = 100, .bytes = 3 * each});
  for (int64_t width = 1; width <= 20; ++width) get(small, width);
  EXPECT_LE(small.bytes(), 3 * each);
  EXPECT_GE(small.size(), 2u);
  EXPECT_LE(small.size(), 3u);
}

TEST_F(Plans, TheLatestStaysHoweverLarge) {
  PlanCache cache(plan::portable_options(), {.plans = 100, .bytes = 1});
  const auto one = get(cache, 1);
  EXPECT_EQ(get(cache, 1), one);
  get(cache, 2);
  EXPECT_EQ(cache.size(), 1u);
  EXPECT_EQ(one->steps.size(), 2u) << "a forgotten plan lives as long as it is held";
}

TEST_F(Plans, FailuresAreNotKept) {
  PlanCache cache(plan::portable_options());
  EXPECT_FALSE(cache.get({1, 1}, graph_, {}));
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(Plans, ManyThreads) {
  PlanCache cache(plan::portable_options(), {.plans = 4});
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const int64_t width = 1 + (i * (t + 1)) % 7;
        const auto plan = cache.get({1, width}, graph_, plan::floats({{2, width}}));
        if (!plan || (*plan)->outputs[0].dims != Dims({2, width})) ++wrong;
        cache.shape_inputs(graph_);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(cache.size(), 4u);
}

}  // namespace
}  // namespace slipway::runtime

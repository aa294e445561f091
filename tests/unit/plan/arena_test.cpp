// Buffers alive at one time never share bytes, and the arena stays near the most bytes alive at once.
#include "plan/arena.hpp"

#include <gtest/gtest.h>

#include <random>

#include "base/tensor.hpp"

namespace slipway::plan {
namespace {

size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

void expect_sound(const std::vector<Lifetime>& buffers, const Arena& arena) {
  ASSERT_EQ(arena.offsets.size(), buffers.size());
  EXPECT_GE(arena.bytes, arena.live_peak);
  for (size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(arena.offsets[i] % kAlignment, 0u);
    EXPECT_LE(arena.offsets[i] + buffers[i].bytes, arena.bytes);
    for (size_t k = 0; k < i; ++k) {
      if (buffers[i].last < buffers[k].first || buffers[k].last < buffers[i].first) continue;
      const bool apart =
          arena.offsets[i] + buffers[i].bytes <= arena.offsets[k] || arena.offsets[k] + buffers[k].bytes <= arena.offsets[i];
      EXPECT_TRUE(apart || buffers[i].bytes == 0 || buffers[k].bytes == 0) << "buffers " << i << " and " << k;
    }
  }
}

TEST(Arena, Nothing) {
  const Arena arena = assign_offsets({});
  EXPECT_EQ(arena.bytes, 0u);
  EXPECT_EQ(arena.live_peak, 0u);
}

TEST(Arena, EmptyBuffersTakeNothing) {
  const Arena arena = assign_offsets({{0, 0, 5}, {64, 0, 1}, {0, 1, 1}});
  EXPECT_EQ(arena.bytes, 64u);
}

TEST(Arena, AChainNeedsTwoNeighbours) {
  std::vector<Lifetime> chain;
  for (uint32_t step = 0; step < 50; ++step) chain.push_back({1000, step, step + 1});
  const Arena arena = assign_offsets(chain);
  expect_sound(chain, arena);
  EXPECT_EQ(arena.live_peak, 2 * aligned(1000));
  EXPECT_EQ(arena.bytes, arena.live_peak);
}

TEST(Arena, LastAndFirstStepsAreInclusive) {
  // The second is made while the first is still read.
  const Arena arena = assign_offsets({{64, 0, 3}, {64, 3, 4}});
  EXPECT_EQ(arena.bytes, 128u);
  EXPECT_EQ(assign_offsets({{64, 0, 3}, {64, 4, 4}}).bytes, 64u);
}

/// A network's lifetimes: a chain of blocks, each with a shortcut over a few steps and a short-lived scratch.
std::vector<Lifetime> network(uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Lifetime> out;
  uint32_t step = 0;
  for (int block = 0; block < 20; ++block) {
    const size_t width = (1 + random() % 8) * 50'000;
    const uint32_t length = 2 + random() % 5;
    out.push_back({width, step, step + length});
    for (uint32_t i = 0; i < length; ++i) out.push_back({width * (1 + random() % 3) / 2, step + i, step + i + 1});
    if (random() % 3 == 0) out.push_back({random() % 4000, step, step});
    step += length;
  }
  return out;
}

TEST(Arena, NetworksStayNearTheirPeak) {
  double worst = 0, sum = 0;
  for (uint32_t seed = 0; seed < 100; ++seed) {
    const std::vector<Lifetime> buffers = network(seed);
    const Arena arena = assign_offsets(buffers);
    expect_sound(buffers, arena);
    const double ratio = static_cast<double>(arena.bytes) / static_cast<double>(arena.live_peak);
    worst = std::max(worst, ratio);
    sum += ratio;
  }
  EXPECT_LE(worst, 1.2) << "no arena may reach the peak of some";
  EXPECT_LE(sum / 100, 1.05);
}

TEST(Arena, AnyLifetimesAreSound) {
  std::mt19937 random(3);
  for (int i = 0; i < 100; ++i) {
    std::vector<Lifetime> buffers(random() % 60);
    for (Lifetime& b : buffers) {
      b.bytes = random() % 3000;
      b.first = random() % 40;
      b.last = b.first + random() % 20;
    }
    expect_sound(buffers, assign_offsets(buffers));
  }
}

}  // namespace
}  // namespace slipway::plan

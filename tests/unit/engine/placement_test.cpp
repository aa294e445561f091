// What packing moves can be told in loops and undone; what it computes or scatters cannot.
#include "engine/placement.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>

namespace slipway::engine {
namespace {

Tensor random_constant(const Dims& dims) {
  Tensor t(ElementType::f32, dims);
  std::mt19937 random(static_cast<uint32_t>(dims.count()));
  for (int64_t i = 0; i < dims.count(); ++i) t.as<uint32_t>()[i] = static_cast<uint32_t>(random());  // any bits, NaN too
  return t;
}

/// A packing that writes element place_of(i) of the original, or zero where that is negative, to place i.
tactic::Packing gathering(int64_t places, std::function<int64_t(int64_t)> place_of) {
  tactic::Packing packing;
  packing.recipe = "test";
  packing.bytes = static_cast<size_t>(places) * sizeof(float);
  packing.pack = [=](const Tensor& from, std::byte* to) {
    for (int64_t i = 0; i < places; ++i) {
      const int64_t at = place_of(i);
      const uint32_t word = at < 0 ? 0 : from.as<uint32_t>()[at];
      std::memcpy(to + i * 4, &word, 4);
    }
  };
  return packing;
}

/// Columns in panels of `width`, k-major, filled up with zeros: B[k][n] as a GEMM wants it.
tactic::Packing panels(int64_t k, int64_t n, int64_t width) {
  const int64_t count = (n + width - 1) / width;
  return gathering(count * width * k, [=](int64_t i) {
    const int64_t column = i / (k * width) * width + i % width, row = i % (k * width) / width;
    return column < n ? row * n + column : -1;
  });
}

/// Found, written down, read again, undone.
void expect_undone(const Tensor& constant, const tactic::Packing& packing, size_t most_words) {
  std::vector<std::byte> packed(packing.bytes);
  packing.pack(constant, packed.data());
  const std::optional<Placement> found = Placement::find(constant, packing);
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->undoes(packed.data(), constant));
  const std::vector<int64_t> words = found->encode();
  EXPECT_LE(words.size(), most_words);
  const Result<Placement> read = Placement::decode(words, constant.bytes(), packing.bytes);
  ASSERT_TRUE(read) << read.error().text();
  std::vector<std::byte> original(constant.bytes());
  read->undo(packed.data(), original.data());
  EXPECT_EQ(std::memcmp(original.data(), constant.data(), constant.bytes()), 0);
}

TEST(Placement, Copy) {
  expect_undone(random_constant({1000}), gathering(1008, [](int64_t i) { return i < 1000 ? i : -1; }), 6);
}

/// Two-byte elements, more of them than two bytes can number, in pairs of rows as bfloat16 products want them.
TEST(Placement, PairsOfTwoByteElements) {
  constexpr int64_t kRows = 301, kColumns = 257, kPairs = (kRows + 1) / 2;
  Tensor constant(ElementType::bf16, {kRows, kColumns});
  std::mt19937 random(1);
  auto* elements = static_cast<uint16_t*>(constant.data());
  for (int64_t i = 0; i < constant.count(); ++i) elements[i] = static_cast<uint16_t>(random());
  tactic::Packing packing;
  packing.recipe = "pairs";
  packing.bytes = static_cast<size_t>(kPairs * kColumns * 4);
  packing.pack = [=](const Tensor& from, std::byte* to) {
    for (int64_t i = 0; i < kPairs * kColumns * 2; ++i) {
      const int64_t row = i / (2 * kColumns) * 2 + i % 2, column = i % (2 * kColumns) / 2;
      reinterpret_cast<uint16_t*>(to)[i] = row < kRows ? static_cast<const uint16_t*>(from.data())[row * kColumns + column] : 0;
    }
  };
  expect_undone(constant, packing, 64);
}

TEST(Placement, OneElement) {
  expect_undone(random_constant({1}), gathering(16, [](int64_t i) { return i == 0 ? 0 : -1; }), 3);
}

TEST(Placement, Panels) {
  for (const auto& [k, n] : {std::pair<int64_t, int64_t>{64, 96}, {7, 33}, {300, 1}, {1, 300}, {511, 130}, {2, 2}}) {
    for (const int64_t width : {8, 24, 32}) {
      SCOPED_TRACE(testing::Message() << k << "x" << n << " in " << width);
      expect_undone(random_constant({k, n}), panels(k, n, width), 64);
    }
  }
}

TEST(Placement, BlockedConvolution) {
  // [out][in][taps] as panels of 32 outputs, blocks of 16 inputs, taps, inputs of the block.
  for (const auto& [out, in, taps] : {std::array<int64_t, 3>{64, 32, 9}, {40, 20, 9}, {24, 3, 49}, {1, 17, 4}}) {
    std::vector<int64_t> order;
    for (int64_t panel = 0; panel < out; panel += 32) {
      for (int64_t block = 0; block < in; block += 16) {
        for (int64_t tap = 0; tap < taps; ++tap) {
          for (int64_t c = block; c < std::min(in, block + 16); ++c) {
            for (int64_t o = panel; o < panel + 32; ++o) order.push_back(o < out ? (o * in + c) * taps + tap : -1);
          }
        }
      }
    }
    SCOPED_TRACE(testing::Message() << out << "x" << in << "x" << taps);
    expect_undone(random_constant({out, in, taps}),
                  gathering(static_cast<int64_t>(order.size()), [order](int64_t i) { return order[static_cast<size_t>(i)]; }),
                  128);
  }
}

TEST(Placement, RepeatedElements) {
  expect_undone(random_constant({37}), gathering(37 * 4, [](int64_t i) { return i % 37; }), 16);
}

TEST(Placement, TakesTurnsOnLargeConstants) {
  expect_undone(random_constant({4200, 4100}), panels(4200, 4100, 32), 256);
}

TEST(Placement, ScatteredElementsAreNotWorthIt) {
  std::vector<int64_t> order(1 << 16);
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937(1));
  const Tensor constant = random_constant({1 << 16});
  const tactic::Packing packing = gathering(1 << 16, [order](int64_t i) { return order[static_cast<size_t>(i)]; });
  EXPECT_FALSE(Placement::find(constant, packing));
}

TEST(Placement, WhatIsComputedOrLostIsNotFound) {
  const Tensor constant = random_constant({256});
  tactic::Packing sums;
  sums.bytes = constant.bytes();
  sums.pack = [](const Tensor& from, std::byte* to) {
    for (int64_t i = 0; i < from.count(); ++i) {
      const uint32_t word = from.as<uint32_t>()[i] + from.as<uint32_t>()[0];
      std::memcpy(to + i * 4, &word, 4);
    }
  };
  const tactic::Packing half = gathering(128, [](int64_t i) { return i; });
  for (const tactic::Packing& packing : {sums, half}) {
    std::vector<std::byte> packed(packing.bytes);
    packing.pack(constant, packed.data());
    const std::optional<Placement> found = Placement::find(constant, packing);
    EXPECT_FALSE(found && found->undoes(packed.data(), constant));
  }
}

TEST(Placement, HostileDescriptionsAreRefused) {
  constexpr int64_t kMax = INT64_MAX, kMin = INT64_MIN;
  const std::vector<int64_t> good = {1, 0, 0, 16, 1, 1};
  EXPECT_TRUE(Placement::decode(good, 64, 64));
  for (const std::vector<int64_t>& words : std::vector<std::vector<int64_t>>{
           {},                                      // writes nothing
           {1, 0, 0, 16, 1},                        // cut
           {1, 0},                                  // cut
           {1, 0, 0, 17, 1, 1},                     // beyond the end
           {1, 1, 0, 16, 1, 1},                     // original beyond the end
           {1, 0, 1, 16, 1, 1},                     // packed beyond the end
           {1, 15, 0, 16, -2, 1},                   // before the beginning
           {1, -1, 0, 16, 1, 1},                    // negative start
           {1, 0, 0, 16, kMax, 1},                  // overflow
           {1, 0, 0, 16, kMin, 1},                  //
           {1, 0, 0, kMax, 0, 0},                   // for ever
           {2, 0, 0, 16, 0, 0, 16, 1, 1},           // longer than the packed form warrants
           {1, 0, 0, 0, 1, 1},                      // an empty loop
           {1, 0, 0, -16, 1, 1},                    //
           {7, 0, 0, 16, 1, 1},                     // too many loops
           {-1, 0, 0, 16, 1, 1},                    //
           {1, 0, 0, 16, 1, 1, 1, 0, 0, 16, 1, 1},  // twice
       }) {
    EXPECT_FALSE(Placement::decode(words, 64, 64)) << testing::PrintToString(words);
  }
  EXPECT_FALSE(Placement::decode(good, 63, 64));
  EXPECT_FALSE(Placement::decode(good, 64, 62));
}

}  // namespace
}  // namespace slipway::engine

#include "kernels/x64/gemm/gemm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "isas.hpp"

namespace slipway::gemm {
namespace {

using eltwise::Fn;
using eltwise::Spread;

std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> v(static_cast<size_t>(count));
  for (float& x : v) x = uniform(engine);
  return v;
}

constexpr size_t kGuards = 128;

struct Problem {
  int64_t m, n, k;
  bool packed = true;
  bool with_tail = false;
  bool accumulate = false;
};

std::vector<float> run(Isa isa, const Problem& p, int threads, const std::vector<float>& a, const std::vector<float>& b) {
  GemmSpec spec;
  spec.isa = isa;
  spec.m = p.m;
  spec.n = p.n;
  spec.k = p.k;
  spec.lda = p.k;
  spec.b_packed = p.packed;
  spec.accumulate = p.accumulate;
  uint8_t bias = 0, residual = 0;
  if (p.with_tail) {
    spec.tail = eltwise::tail();
    bias = spec.tail.operand(Spread::column);
    residual = spec.tail.operand(Spread::full);
    const uint8_t sum = spec.tail.step(Fn::add, 0, bias);
    spec.tail.step(Fn::relu, spec.tail.step(Fn::add, sum, residual));
  }
  auto gemm = Gemm::make(spec);
  EXPECT_TRUE(gemm) << gemm.error().text();
  EXPECT_EQ(gemm->spill_count(), 0);
  const PackShape shape = PackShape::make(isa, p.k, p.n);
  std::vector<float> packed(static_cast<size_t>(shape.elements()));
  pack_b(shape, b.data(), p.n, packed.data());
  const std::vector<float> biases = random_floats(p.n, 3), residuals = random_floats(p.m * p.n, 4);
  const auto count = static_cast<size_t>(p.m * p.n);
  std::vector<float> c(count + kGuards, p.accumulate ? 0.25F : NAN);
  std::fill_n(c.begin() + static_cast<ptrdiff_t>(count), kGuards, 7.0F);
  GemmArgs args;
  args.a = a.data();
  args.lda = p.k;
  args.b = p.packed ? packed.data() : b.data();
  args.ldb = p.n;
  args.c = c.data();
  args.ldc = p.n;
  args.operands[bias] = {biases.data(), 0};
  args.operands[residual] = {residuals.data(), p.n};
  Team team(threads);
  gemm->run(args, team);
  for (size_t i = 0; i < kGuards; ++i) EXPECT_EQ(c[count + i], 7.0F) << gemm->describe();
  c.resize(count);
  return c;
}

std::vector<float> expected(const Problem& p, const std::vector<float>& a, const std::vector<float>& b) {
  const std::vector<float> biases = random_floats(p.n, 3), residuals = random_floats(p.m * p.n, 4);
  std::vector<float> c(static_cast<size_t>(p.m * p.n), p.accumulate ? 0.25F : 0.0F);
  for (int64_t i = 0; i < p.m; ++i) {
    for (int64_t k = 0; k < p.k; ++k) {
      for (int64_t j = 0; j < p.n; ++j) {
        float& sum = c[static_cast<size_t>(i * p.n + j)];
        sum = std::fma(a[static_cast<size_t>(i * p.k + k)], b[static_cast<size_t>(k * p.n + j)], sum);
      }
    }
    for (int64_t j = 0; p.with_tail && j < p.n; ++j) {
      const auto at = static_cast<size_t>(i * p.n + j);
      c[at] = std::max(0.0F, c[at] + biases[static_cast<size_t>(j)] + residuals[at]);
    }
  }
  return c;
}

TEST(Gemm, EqualsTheRecipeForEveryThreadCount) {
  const Problem problems[] = {{1, 1, 1},
                              {1, 100, 37},
                              {3, 200, 64},
                              {5, 17, 128, false},
                              {14, 32, 16},
                              {15, 33, 17},
                              {29, 130, 50, false},
                              {64, 96, 100},
                              {40, 70, 1030, true, true},
                              {47, 40, 1600, false, true},
                              {3, 40, 8200, false, true},
                              {20, 150, 3201, true, true, true},
                              {33, 64, 1024, true, false, true},
                              {2, 2, 0},
                              {4, 300, 3}};
  for (const Problem& p : problems) {
    const auto a = random_floats(p.m * p.k, 1), b = random_floats(p.k * p.n, 2);
    const auto truth = expected(p, a, b);
    for (const Isa isa : runnable()) {
      for (const int threads : {1, 2, 3}) {
        ASSERT_EQ(run(isa, p, threads, a, b), truth)
            << name(isa) << " " << p.m << "x" << p.n << "x" << p.k << " threads " << threads << " packed " << p.packed;
      }
    }
  }
}

TEST(Gemm, ARowAloneEqualsTheRowInABatch) {
  const Problem batch{37, 77, 3100};
  const auto a = random_floats(batch.m * batch.k, 1), b = random_floats(batch.k * batch.n, 2);
  for (const Isa isa : runnable()) {
    const auto all = run(isa, batch, 1, a, b);
    for (const int64_t row : {int64_t{0}, int64_t{13}, batch.m - 1}) {
      const std::vector<float> one(a.begin() + row * batch.k, a.begin() + (row + 1) * batch.k);
      const auto alone = run(isa, {1, batch.n, batch.k}, 1, one, b);
      ASSERT_EQ(std::memcmp(alone.data(), &all[static_cast<size_t>(row * batch.n)], alone.size() * 4), 0);
    }
  }
}

TEST(Gemm, NeedsAvx2) {
  GemmSpec spec;
  spec.m = spec.n = spec.k = 1;
  const auto gemm = Gemm::make(spec);
  ASSERT_FALSE(gemm);
  EXPECT_EQ(gemm.error().code, ErrorCode::unsupported);
}

TEST(Pack, TransposedPackEqualsPackOfTheTransposeAndUnpackUndoesIt) {
  for (const Isa isa : {Isa::avx2, Isa::avx512}) {
    for (const auto& [k, n] : {std::pair<int64_t, int64_t>{1, 1}, {5, 7}, {16, 24}, {33, 50}, {64, 100}}) {
      const auto b = random_floats(k * n, 1);
      std::vector<float> turned(b.size()), back(b.size());
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t j = 0; j < n; ++j) turned[static_cast<size_t>(j * k + i)] = b[static_cast<size_t>(i * n + j)];
      }
      const PackShape shape = PackShape::make(isa, k, n);
      std::vector<float> one(static_cast<size_t>(shape.elements()), NAN), two = one;
      pack_b(shape, b.data(), n, one.data());
      pack_b_transposed(shape, turned.data(), k, two.data());
      ASSERT_EQ(one, two);
      unpack_b(shape, one.data(), back.data(), n);
      ASSERT_EQ(back, b);
    }
  }
}

}  // namespace
}  // namespace slipway::gemm

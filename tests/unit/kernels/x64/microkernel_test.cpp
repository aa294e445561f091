// The microkernel against the recipe written out: one chain of fused multiply-adds an element, so results are equal bit for bit.
#include "kernels/x64/gemm/microkernel.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "isas.hpp"
#include "kernels/x64/gemm/pack.hpp"

namespace slipway::gemm {
namespace {

using eltwise::Fn;
using eltwise::Spread;

std::vector<float> random_floats(size_t count, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> v(count);
  for (float& x : v) x = uniform(engine);
  return v;
}

float chain(float c0, const float* a, const float* b, int64_t b_stride, int64_t k) {
  for (int64_t i = 0; i < k; ++i) c0 = std::fma(a[i], b[i * b_stride], c0);
  return c0;
}

constexpr float kGuard = 12345.0F;

/// One tile on a packed or plain B; the C around the tile must stay as it was.
void check_tile(MicrokernelSpec s, int64_t k, int64_t lda, int64_t ldc) {
  SCOPED_TRACE(s.text() + " k " + std::to_string(k));
  const int n = s.columns;
  const std::vector<float> a = random_floats(static_cast<size_t>(s.rows * lda), 1);
  const std::vector<float> b = random_floats(static_cast<size_t>(k * n), 2);
  PackShape shape{k, n, std::max(s.panel_columns, 8)};
  std::vector<float> packed(static_cast<size_t>(shape.elements()));
  pack_b(shape, b.data(), n, packed.data());
  std::vector<float> c(static_cast<size_t>(s.rows * ldc + 64), kGuard), expected = c;
  if (s.accumulate) {
    for (int r = 0; r < s.rows; ++r) {
      for (int j = 0; j < n; ++j) c[static_cast<size_t>(r * ldc + j)] = static_cast<float>(r - j);
    }
  }
  for (int r = 0; r < s.rows; ++r) {
    for (int j = 0; j < n; ++j) {
      const float c0 = s.accumulate ? static_cast<float>(r - j) : 0.0F;
      expected[static_cast<size_t>(r * ldc + j)] = chain(c0, &a[static_cast<size_t>(r * lda)], &b[static_cast<size_t>(j)], n, k);
    }
  }
  auto kernel = Microkernel::make(s);
  ASSERT_TRUE(kernel) << kernel.error().text();
  EXPECT_EQ((*kernel)->spill_count(), 0);
  MicrokernelArgs args;
  args.a = a.data();
  args.a_row_bytes = lda * 4;
  args.b = s.panel_columns == 0 ? b.data() : packed.data();
  args.b_row_bytes = n * 4;
  args.b_panel_bytes = int64_t{shape.panel_columns} * k * 4;
  args.k = k;
  args.c = {c.data(), ldc * 4, 0};
  (**kernel)(args);
  ASSERT_EQ(c, expected);
}

TEST(Microkernel, EveryTileShapeKAndStrideKind) {
  for (const Isa isa : runnable()) {
    const int lanes = isa == Isa::avx2 ? 8 : 16;
    for (const int columns : {1, lanes - 3, lanes, lanes + 5, 24, 2 * lanes, 3 * lanes - 1, 4 * lanes}) {
      const int most = max_rows(isa, columns);
      for (const int rows : {1, 2, most / 2, most - 1, most}) {
        if (rows < 1) continue;
        for (const int64_t k : {1, 3, 4, 7, 16, 21, 64}) {
          MicrokernelSpec s;
          s.isa = isa;
          s.rows = rows;
          s.columns = columns;
          s.panel_columns = 2 * lanes;
          check_tile(s, k, k + 3, columns + 2);
          s.k = k;
          s.a_rows = Rows::apart(static_cast<int32_t>(k + 3) * 4);
          s.c_rows = Rows::apart((columns + 2) * 4);
          s.accumulate = true;
          s.prefetch = 256;
          check_tile(s, k, k + 3, columns + 2);
          s.prefetch = 0;
          s.panel_columns = 0;
          s.a_rows = s.c_rows = {};
          check_tile(s, k, k + 3, columns + 2);
        }
      }
    }
  }
}

TEST(Microkernel, RefusesTilesThatWouldSpill) {
  MicrokernelSpec s;
  s.isa = Isa::avx512;
  s.rows = 15;
  s.columns = 32;
  s.panel_columns = 32;
  EXPECT_FALSE(Microkernel::make(s));
  s.rows = 14;
  s.tail.steps.push_back({Fn::add, 0, 7, 0, 0});
  EXPECT_FALSE(Microkernel::make(s));
}

TEST(Microkernel, EqualSpecsShareOneKernel) {
  for (const Isa isa : runnable()) {
    MicrokernelSpec s;
    s.isa = isa;
    s.panel_columns = 16;
    const auto one = Microkernel::make(s), two = Microkernel::make(s);
    ASSERT_TRUE(one && two);
    EXPECT_EQ(*one, *two);
    s.rows = 2;
    const auto other = Microkernel::make(s);
    ASSERT_TRUE(other);
    EXPECT_NE(*one, *other);
  }
}

/// Convolution's form: three products at offsets in A, rows from a table, C in blocks of 16 columns on separate planes, and a
/// tail of column bias, residual, row scale and an activation.
void check_batched(Isa isa, int rows, int columns, Fn activation) {
  constexpr int64_t kBatch = 3, kK = 16, kPlane = 640;
  MicrokernelSpec s;
  s.isa = isa;
  s.rows = rows;
  s.columns = columns;
  s.panel_columns = isa == Isa::avx2 ? 16 : 32;
  s.k = kK;
  s.batched = true;
  std::vector<int32_t> a_rows, c_rows;
  for (int r = 0; r < rows; ++r) {
    a_rows.push_back((r + (r >= rows / 2 ? 5 : 0)) * 64);
    c_rows.push_back((r + (r >= rows / 2 ? 2 : 0)) * 64);
  }
  s.a_rows = Rows::at(a_rows);
  s.c_rows = Rows::at(c_rows);
  s.c_block_columns = 16;
  s.tail = eltwise::tail();
  const uint8_t bias = s.tail.operand(Spread::column), residual = s.tail.operand(Spread::full),
                scale = s.tail.operand(Spread::row);
  const uint8_t factor = s.tail.operand(Spread::scalar);
  uint8_t v = s.tail.step(Fn::add, 0, bias);
  v = s.tail.step(Fn::add, residual, v);
  v = s.tail.step(Fn::mul, v, scale);
  v = s.tail.step(Fn::mul, factor, v);
  s.tail.step(activation, v, 0, activation == Fn::silu ? 1.0F : 0.0F);
  SCOPED_TRACE(s.text());

  const std::vector<float> a = random_floats(40 * 64, 3), b = random_floats(static_cast<size_t>(kBatch * kK * columns), 4);
  const std::vector<int64_t> offsets = {64 * 2, 0, 64 * 5};
  const PackShape shape{kBatch * kK, columns, s.panel_columns};
  std::vector<float> packed(static_cast<size_t>(shape.elements()));
  pack_b(shape, b.data(), columns, packed.data());
  const std::vector<float> biases = random_floats(64, 5), residuals = random_floats(kPlane * 4, 6), scales = random_floats(32, 7);
  const float twice = 2.0F;
  std::vector<float> c(kPlane * 4, kGuard);

  auto kernel = Microkernel::make(s);
  ASSERT_TRUE(kernel) << kernel.error().text();
  EXPECT_EQ((*kernel)->spill_count(), 0) << (*kernel)->program_text();
  MicrokernelArgs args;
  args.a = a.data();
  args.b = packed.data();
  args.b_panel_bytes = shape.panel_columns * shape.k * 4;
  args.a_offsets = offsets.data();
  args.batch = kBatch;
  args.c = {c.data(), 0, kPlane * 4};
  args.operands[bias] = {biases.data(), 0, 0};
  args.operands[residual] = {residuals.data(), 0, kPlane * 4};
  args.operands[scale] = {scales.data(), 0, 0};
  args.operands[factor] = {&twice, 0, 0};
  (**kernel)(args);

  size_t touched = 0;
  for (int r = 0; r < rows; ++r) {
    for (int j = 0; j < columns; ++j) {
      float sum = 0;
      for (int64_t i = 0; i < kBatch; ++i) {
        const float* row = &a[static_cast<size_t>((a_rows[static_cast<size_t>(r)] + offsets[static_cast<size_t>(i)]) / 4)];
        sum = chain(sum, row, &b[static_cast<size_t>(i * kK * columns + j)], columns, kK);
      }
      const auto at = static_cast<size_t>(c_rows[static_cast<size_t>(r)] / 4 + j / 16 * kPlane + j % 16);
      const float x = (residuals[at] + (sum + biases[static_cast<size_t>(j)])) * scales[static_cast<size_t>(r)] * twice;
      if (activation == Fn::relu) {
        ASSERT_EQ(c[at], std::max(0.0F, x)) << r << " " << j;
      } else {
        ASSERT_NEAR(c[at], x / (1 + std::exp(-x)), 1e-6) << r << " " << j;
      }
      ++touched;
    }
  }
  size_t untouched = 0;
  for (const float x : c) untouched += x == kGuard ? 1 : 0;
  EXPECT_EQ(untouched + touched, c.size());
}

TEST(Microkernel, ARestFollowsTheBatch) {
  constexpr int64_t kK = 16, kRest = 5, kDepth = 2 * kK + 3 * kRest;
  constexpr int kColumns = 24, kRows = 3, kStride = 48;
  const std::vector<float> a = random_floats(1024, 8), b = random_floats(static_cast<size_t>(kDepth * kColumns), 9);
  const std::vector<int64_t> offsets = {64, 320}, rest_offsets = {128, 0, 768};
  for (const Isa isa : runnable()) {
    MicrokernelSpec s;
    s.isa = isa;
    s.rows = kRows;
    s.columns = kColumns;
    s.panel_columns = 32;
    s.k = kK;
    s.rest = kRest;
    s.batched = true;
    s.a_rows = Rows::apart(kStride * 4);
    const auto kernel = Microkernel::make(s);
    ASSERT_TRUE(kernel) << kernel.error().text();
    const PackShape shape{kDepth, kColumns, s.panel_columns};
    std::vector<float> packed(static_cast<size_t>(shape.elements())), c(kRows * kColumns, kGuard);
    pack_b(shape, b.data(), kColumns, packed.data());
    MicrokernelArgs args;
    args.a = a.data();
    args.b = packed.data();
    args.a_offsets = offsets.data();
    args.batch = 2;
    args.rest_offsets = rest_offsets.data();
    args.rest_batch = 3;
    args.c = {c.data(), kColumns * 4, 0};
    (**kernel)(args);
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < kColumns; ++j) {
        float sum = 0;
        const float* column = &b[static_cast<size_t>(j)];
        const auto add = [&](int64_t offset, int64_t depth) {
          sum = chain(sum, &a[static_cast<size_t>(offset / 4 + r * kStride)], column, kColumns, depth);
          column += depth * kColumns;
        };
        for (const int64_t offset : offsets) add(offset, kK);
        for (const int64_t offset : rest_offsets) add(offset, kRest);
        ASSERT_EQ(c[static_cast<size_t>(r * kColumns + j)], sum) << name(isa) << " " << r << " " << j;
      }
    }
    s.batched = false;
    EXPECT_FALSE(Microkernel::make(s));
  }
}

TEST(Microkernel, BatchedWithTablesBlocksAndTails) {
  for (const Isa isa : runnable()) {
    for (const int columns : {16, 13, 32, 27, 56, 64}) {
      const int most = max_rows(isa, columns);
      if (most < 1 || columns > 48) continue;
      for (const Fn activation : {Fn::relu, Fn::silu}) {
        check_batched(isa, most, columns, activation);
        check_batched(isa, 1, columns, activation);
      }
    }
  }
}

}  // namespace
}  // namespace slipway::gemm

// The microkernel on bfloat16 against its recipe written out, equal bit for bit: with the instruction and without it.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "base/low_precision.hpp"
#include "isas.hpp"
#include "kernels/x64/gemm/gemm.hpp"

namespace slipway::gemm {
namespace {

using eltwise::Fn;
using eltwise::Spread;

constexpr uint16_t kNan = 0x7fff;

std::vector<Isa> isas() {
  return runnable({Isa::avx2, Isa::avx512, Isa::avx512_bf16});
}

float widen(uint16_t bits) {
  return std::bit_cast<float>(uint32_t{bits} << 16);
}
uint16_t narrow(float value) {
  return BFloat16(value).bits;
}

std::vector<uint16_t> random_words(int64_t count, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<uint16_t> v(static_cast<size_t>(count));
  for (uint16_t& x : v) x = narrow(uniform(engine));
  return v;
}

/// Pairs of k, the second of each first.
float chain(float sum, const uint16_t* a, const uint16_t* b, int64_t b_stride, int64_t k) {
  for (int64_t i = 0; i < k; i += 2) {
    if (i + 1 < k) sum = std::fma(widen(a[i + 1]), widen(b[(i + 1) * b_stride]), sum);
    sum = std::fma(widen(a[i]), widen(b[i * b_stride]), sum);
  }
  return sum;
}

struct Case {
  int rows, columns;
  int64_t k;
  bool packed, known_k;
  Fn activation;
  ElementType c_type;
};

/// A tile with a residual, a bias in bfloat16 and an activation. What follows an odd row of A, and B, is NaN.
void check_tile(Isa isa, const Case& t) {
  MicrokernelSpec s;
  s.isa = isa;
  s.product = Product::bf16;
  s.rows = t.rows;
  s.columns = t.columns;
  s.panel_columns = t.packed ? (isa == Isa::avx2 ? 16 : 32) : 0;
  s.k = t.known_k ? t.k : 0;
  s.c_type = t.c_type;
  s.tail = eltwise::tail();
  const uint8_t bias = s.tail.operand(Spread::column), residual = s.tail.operand(Spread::full);
  s.tail.step(t.activation, s.tail.step(Fn::add, s.tail.step(Fn::add, 0, bias), residual), 0, 1.0F);
  s.operand_types = {ElementType::f32, ElementType::bf16, t.c_type};
  SCOPED_TRACE(s.text());
  const int64_t lda = t.k + 3, n = t.columns, ldc = n + 5, size = t.c_type == ElementType::f32 ? 4 : 2;
  std::vector<uint16_t> a = random_words(t.rows * lda, 1), b = random_words(t.k * n, 2);
  for (int64_t r = 0; r < t.rows; ++r) a[static_cast<size_t>(r * lda + t.k)] = kNan;
  const PackShape shape{t.k, n, std::max(s.panel_columns, 8), Product::bf16};
  std::vector<uint16_t> packed(shape.bytes() / 2, kNan);
  pack_b(shape, b.data(), n, packed.data());
  b.resize(b.size() + static_cast<size_t>(n), kNan);
  const std::vector<uint16_t> biases = random_words(n, 3);
  std::vector<float> residuals(static_cast<size_t>(t.rows * ldc));
  for (size_t i = 0; i < residuals.size(); ++i) residuals[i] = static_cast<float>(i % 7) - 3;
  std::vector<uint16_t> narrow_residuals, narrow_c(residuals.size(), 0x1234);
  for (const float x : residuals) narrow_residuals.push_back(narrow(x));
  std::vector<float> wide_c(residuals.size(), 77.0F);

  auto kernel = Microkernel::make(s);
  ASSERT_TRUE(kernel) << kernel.error().text();
  EXPECT_EQ((*kernel)->spill_count(), 0) << (*kernel)->program_text();
  const bool wide = t.c_type == ElementType::f32;
  MicrokernelArgs args;
  args.a = a.data();
  args.a_row_bytes = lda * 2;
  args.b = t.packed ? packed.data() : b.data();
  args.b_row_bytes = n * 2;
  args.b_panel_bytes = shape.offset(1) * 2;
  args.k = t.k;
  args.c = {wide ? static_cast<void*>(wide_c.data()) : narrow_c.data(), ldc * size, 0};
  args.operands[bias] = {biases.data(), 0, 0};
  args.operands[residual] = {wide ? static_cast<void*>(residuals.data()) : narrow_residuals.data(), ldc * size, 0};
  (**kernel)(args);
  for (int64_t r = 0; r < t.rows; ++r) {
    for (int64_t j = 0; j < ldc; ++j) {
      const auto at = static_cast<size_t>(r * ldc + j);
      if (j >= n) {
        ASSERT_TRUE(wide ? wide_c[at] == 77.0F : narrow_c[at] == 0x1234) << r << " " << j;
        continue;
      }
      const float sum = chain(0, &a[static_cast<size_t>(r * lda)], &b[static_cast<size_t>(j)], n, t.k);
      const float x = sum + widen(biases[static_cast<size_t>(j)]) + residuals[at];
      const float want = t.activation == Fn::relu ? std::max(0.0F, x) : x / (1 + std::exp(-x));
      const float got = wide ? wide_c[at] : widen(narrow_c[at]);
      if (t.activation == Fn::relu) {
        ASSERT_EQ(got, wide ? want : widen(narrow(want))) << r << " " << j;
      } else {
        ASSERT_NEAR(got, want, wide ? 1e-6 : std::abs(want) / 200 + 1e-6) << r << " " << j;
      }
    }
  }
}

TEST(MicrokernelBf16, EveryTileShapeAndK) {
  for (const Isa isa : isas()) {
    const int lanes = isa == Isa::avx2 ? 8 : 16;
    for (const int columns : {1, lanes - 3, lanes, lanes + 5, 2 * lanes, 3 * lanes - 1, 4 * lanes}) {
      const int most = max_rows(isa, columns, Product::bf16);
      for (const int rows : {1, 2, most - 1, most}) {
        if (rows < 1) continue;
        for (const int64_t k : {1, 2, 3, 7, 16, 21, 64}) {
          for (const bool packed : {true, false}) {
            check_tile(isa, {rows, columns, k, packed, k % 3 == 0, Fn::relu, k % 2 == 0 ? ElementType::bf16 : ElementType::f32});
            check_tile(isa, {rows, columns, k, packed, k % 2 == 0, Fn::silu, k % 3 == 0 ? ElementType::f32 : ElementType::bf16});
          }
        }
      }
    }
  }
}

TEST(MicrokernelBf16, BatchesOfOddElements) {
  constexpr int64_t kK = 7, kRest = 3, kDepth = 2 * kK + 2 * kRest;
  constexpr int kColumns = 24, kRows = 4, kStride = 50;
  const std::vector<uint16_t> a = random_words(1024, 8), b = random_words(kDepth * kColumns, 9);
  const std::vector<int64_t> offsets = {64, 320}, rest_offsets = {128, 2};
  for (const Isa isa : isas()) {
    MicrokernelSpec s;
    s.isa = isa;
    s.product = Product::bf16;
    s.rows = kRows;
    s.columns = kColumns;
    s.panel_columns = 32;
    s.k = kK;
    s.rest = kRest;
    s.batched = true;
    s.a_rows = Rows::apart(kStride * 2);
    const auto kernel = Microkernel::make(s);
    ASSERT_TRUE(kernel) << kernel.error().text();
    // Each element of the batch is packed by itself, so that its odd row has a pair of its own.
    std::vector<uint16_t> packed;
    const auto pack = [&](int64_t first, int64_t depth) {
      const PackShape shape{depth, kColumns, s.panel_columns, Product::bf16};
      packed.resize(packed.size() + shape.bytes() / 2);
      pack_b(shape, &b[static_cast<size_t>(first * kColumns)], kColumns, packed.data() + packed.size() - shape.bytes() / 2);
    };
    for (const int64_t first : {int64_t{0}, kK}) pack(first, kK);
    for (const int64_t first : {2 * kK, 2 * kK + kRest}) pack(first, kRest);
    std::vector<float> c(kRows * kColumns);
    MicrokernelArgs args;
    args.a = a.data();
    args.b = packed.data();
    args.a_offsets = offsets.data();
    args.batch = 2;
    args.rest_offsets = rest_offsets.data();
    args.rest_batch = 2;
    args.c = {c.data(), kColumns * 4, 0};
    (**kernel)(args);
    for (int r = 0; r < kRows; ++r) {
      for (int j = 0; j < kColumns; ++j) {
        float sum = 0;
        const uint16_t* column = &b[static_cast<size_t>(j)];
        const auto add = [&](int64_t offset, int64_t depth) {
          sum = chain(sum, &a[static_cast<size_t>(offset / 2 + r * kStride)], column, kColumns, depth);
          column += depth * kColumns;
        };
        for (const int64_t offset : offsets) add(offset, kK);
        for (const int64_t offset : rest_offsets) add(offset, kRest);
        ASSERT_EQ(c[static_cast<size_t>(r * kColumns + j)], sum) << name(isa) << " " << r << " " << j;
      }
    }
  }
}

TEST(GemmBf16, EqualsTheRecipeForEveryThreadCount) {
  struct Problem {
    int64_t m, n, k;
    bool packed;
  };
  for (const Problem& p : {Problem{1, 100, 37, true},
                           {5, 17, 128, false},
                           {15, 33, 17, true},
                           {29, 130, 50, false},
                           {40, 70, 3301, true},
                           {16, 96, 4096, true},
                           {3, 40, 16500, false}}) {
    const std::vector<uint16_t> a = random_words(p.m * p.k, 1), b = random_words(p.k * p.n, 2);
    for (const Isa isa : isas()) {
      for (const ElementType c_type : {ElementType::f32, ElementType::bf16}) {
        GemmSpec spec;
        spec.isa = isa;
        spec.product = Product::bf16;
        spec.c_type = c_type;
        spec.m = p.m;
        spec.n = p.n;
        spec.k = spec.lda = p.k;
        spec.b_packed = p.packed;
        const auto gemm = Gemm::make(spec);
        ASSERT_TRUE(gemm) << gemm.error().text();
        EXPECT_EQ(gemm->spill_count(), 0);
        const PackShape shape = PackShape::make(isa, p.k, p.n, Product::bf16);
        std::vector<uint16_t> packed(shape.bytes() / 2);
        pack_b(shape, b.data(), p.n, packed.data());
        for (const int threads : {1, 3}) {
          std::vector<float> wide(static_cast<size_t>(p.m * p.n));
          std::vector<uint16_t> slim(wide.size());
          GemmArgs args;
          args.a = a.data();
          args.lda = p.k;
          args.b = p.packed ? packed.data() : b.data();
          args.ldb = args.ldc = p.n;
          args.c = c_type == ElementType::f32 ? static_cast<void*>(wide.data()) : slim.data();
          Team team(threads);
          gemm->run(args, team);
          for (int64_t i = 0; i < p.m * p.n; ++i) {
            const float sum = chain(0, &a[static_cast<size_t>(i / p.n * p.k)], &b[static_cast<size_t>(i % p.n)], p.n, p.k);
            const auto at = static_cast<size_t>(i);
            if (c_type == ElementType::f32) {
              ASSERT_EQ(wide[at], sum) << name(isa) << " " << i;
            } else {
              ASSERT_EQ(slim[at], narrow(sum)) << name(isa) << " " << i;
            }
          }
        }
      }
    }
  }
}

TEST(PackBf16, TransposedPackEqualsPackOfTheTransposeAndUnpackUndoesIt) {
  for (const auto& [k, n] : {std::pair<int64_t, int64_t>{1, 1}, {5, 7}, {16, 24}, {33, 50}, {64, 100}, {87, 13}}) {
    const std::vector<uint16_t> b = random_words(k * n, 1);
    std::vector<uint16_t> turned(b.size()), back(b.size());
    for (int64_t i = 0; i < k; ++i) {
      for (int64_t j = 0; j < n; ++j) turned[static_cast<size_t>(j * k + i)] = b[static_cast<size_t>(i * n + j)];
    }
    const PackShape shape = PackShape::make(Isa::avx512, k, n, Product::bf16);
    std::vector<uint16_t> one(shape.bytes() / 2, kNan), two = one;
    pack_b(shape, b.data(), n, one.data());
    pack_b_transposed(shape, turned.data(), k, two.data());
    ASSERT_EQ(one, two);
    unpack_b(shape, one.data(), back.data(), n);
    ASSERT_EQ(back, b);
    unpack_b_transposed(shape, two.data(), back.data(), k);
    ASSERT_EQ(back, turned);
  }
}

}  // namespace
}  // namespace slipway::gemm

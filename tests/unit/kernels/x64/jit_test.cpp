#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/low_precision.hpp"
#include "isas.hpp"
#include "kernels/x64/jit/code.hpp"
#include "kernels/x64/jit/program.hpp"

namespace slipway::jit {
namespace {

struct Args {
  const float* in;
  float* out;
  int64_t count;
};

TEST(Jit, TailMasksTouchOnlyTheirLanes) {
  for (const Isa isa : runnable()) {
    Program p(isa, "tail");
    const Gpr in = p.load64(mem(p.args(), 0)), out = p.load64(mem(p.args(), 8)), count = p.load64(mem(p.args(), 16));
    const Mask mask = p.mask_below(count);
    p.store(mem(out), p.add(p.load(mem(in), mask), 1.0F), mask);
    p.store(mem(out, 128), p.mul(p.load(mem(in), p.mask_below(3)), 2.0F), p.mask_below(3));
    auto code = compile(p);
    ASSERT_TRUE(code) << code.error().text();
    for (int64_t n = 0; n <= p.lanes(); ++n) {
      const std::vector<float> a(16, 2.0F);
      std::vector<float> b(48, -1.0F);
      const Args args{a.data(), b.data(), n};
      (*code)(&args);
      for (int64_t i = 0; i < 32; ++i) EXPECT_EQ(b[static_cast<size_t>(i)], i < n ? 3.0F : -1.0F) << n << " " << i;
      for (int64_t i = 32; i < 48; ++i) EXPECT_EQ(b[static_cast<size_t>(i)], i < 35 ? 4.0F : -1.0F) << i;
    }
  }
}

TEST(Jit, MaskLogicAndBlend) {
  for (const Isa isa : runnable()) {
    Program p(isa, "masks");
    const Gpr in = p.load64(mem(p.args(), 0)), out = p.load64(mem(p.args(), 8));
    const Vec x = p.load(mem(in));
    const Mask middle = p.mask_and(p.compare(x, Compare::gt, 1.0F), p.compare(x, Compare::lt, 5.0F));
    const Mask wanted = p.mask_or(p.mask_not(middle), p.compare(x, Compare::eq, 3.0F));
    p.store(mem(out), p.blend(wanted, x, p.constant(-1.0F)));
    auto code = compile(p);
    ASSERT_TRUE(code) << code.error().text();
    std::vector<float> a(16), b(16);
    for (size_t i = 0; i < 16; ++i) a[i] = static_cast<float>(i);
    const Args args{a.data(), b.data(), 0};
    (*code)(&args);
    for (int i = 0; i < p.lanes(); ++i) {
      EXPECT_EQ(b[static_cast<size_t>(i)], i == 2 || i == 4 ? -1.0F : static_cast<float>(i));
    }
  }
}

TEST(Jit, LaneXorSumsAllLanes) {
  for (const Isa isa : runnable()) {
    Program p(isa, "sum");
    const Gpr in = p.load64(mem(p.args(), 0)), out = p.load64(mem(p.args(), 8));
    Vec sum = p.load(mem(in));
    for (int d = 1; d < p.lanes(); d *= 2) sum = p.add(sum, p.lane_xor(sum, d));
    p.store(mem(out), sum);
    auto code = compile(p);
    ASSERT_TRUE(code) << code.error().text();
    std::vector<float> a(16), b(16);
    for (size_t i = 0; i < 16; ++i) a[i] = static_cast<float>(1 << i);
    const Args args{a.data(), b.data(), 0};
    (*code)(&args);
    for (int i = 0; i < p.lanes(); ++i) EXPECT_EQ(b[static_cast<size_t>(i)], static_cast<float>((1 << p.lanes()) - 1));
  }
}

TEST(Jit, SpilledValuesSurviveLoopsInEveryFile) {
  constexpr int kMany = 40;
  for (const Isa isa : runnable()) {
    Program p(isa, "spills");
    const Gpr in = p.load64(mem(p.args(), 0)), out = p.load64(mem(p.args(), 8)), count = p.load64(mem(p.args(), 16));
    std::vector<Vec> sums;
    std::vector<Gpr> numbers;
    std::vector<Mask> masks;
    for (int i = 0; i < kMany; ++i) {
      sums.push_back(p.constant(static_cast<float>(i)));
      numbers.push_back(p.number(i));
    }
    for (int i = 0; i < 10; ++i) masks.push_back(p.compare(p.load(mem(in)), Compare::gt, static_cast<float>(i)));
    const Label top = p.label();
    p.bind(top);
    const Vec x = p.load(mem(in));
    for (int i = 0; i < kMany; ++i) {
      p.fmadd231(sums[static_cast<size_t>(i)], x, 2.0F);
      p.add(numbers[static_cast<size_t>(i)], count);
    }
    p.sub(count, 1);
    p.jump_if(count, Cond::gt, 0, top);
    for (int i = 0; i < kMany; ++i) {
      const Vec number = p.to_float(p.splat(numbers[static_cast<size_t>(i)]));
      const Vec kept = p.blend(masks[static_cast<size_t>(i % 10)], sums[static_cast<size_t>(i)], p.zero());
      p.store(mem(out, i * 64), p.add(kept, number));
    }
    auto code = compile(p);
    ASSERT_TRUE(code) << code.error().text();
    EXPECT_GT(code->spill_count(), 0);
    std::vector<float> a(16, 4.5F), b(kMany * 16);
    const Args args{a.data(), b.data(), 3};
    (*code)(&args);
    for (int i = 0; i < kMany; ++i) {
      const float sum = i % 10 < 4.5 ? static_cast<float>(i) + 27.0F : 0.0F;
      for (int lane = 0; lane < p.lanes(); ++lane) {
        ASSERT_EQ(b[static_cast<size_t>(i * 16 + lane)], sum + static_cast<float>(i + 6)) << i << " " << lane;
      }
    }
  }
}

/// Floats of every kind: rounding ties, halves, infinities, a NaN whose payload is in the low bits.
std::vector<float> rounding_cases() {
  std::vector<float> v;
  for (const uint32_t bits :
       {0x3f800000U, 0x3f808000U, 0x3f818000U, 0x3f808001U, 0x3f80ffffU, 0xbf818000U, 0x7f7fffffU, 0x7f800000U, 0xff800000U,
        0x7f800001U, 0x00000000U, 0x80000000U, 0x42f6e979U, 0xc2f6e979U, 0x7fc12345U, 0x00800000U}) {
    v.push_back(std::bit_cast<float>(bits));
  }
  return v;
}

TEST(Jit, Bfloat16RoundsAsTheReferencesDo) {
  const std::vector<float> in = rounding_cases();
  for (const Isa isa : runnable({Isa::avx2, Isa::avx512, Isa::avx512_bf16})) {
    Program p(isa, "bf16");
    const int lanes = p.lanes(), few = lanes - 3;
    const Gpr from = p.load64(mem(p.args(), 0)), to = p.load64(mem(p.args(), 8));
    const Program::Few part{few, p.avx512() ? p.mask_below(few) : Mask{}};
    for (int i = 0; i < 16; i += lanes) p.store_bf16(mem(to, i * 2), p.load(mem(from, i * 4)));
    p.store_bf16(mem(to, 32), p.load(mem(from)), part);
    p.store(mem(to, 128), p.load_bf16(mem(to)));
    p.store(mem(to, 192), p.load_bf16(mem(to), part, lanes));
    const Gpr word = p.load16(mem(to));
    p.store(mem(to, 256), p.shl(p.splat(word), 16));
    auto code = compile(p);
    ASSERT_TRUE(code) << code.error().text();
    std::vector<float> out(96, -1.0F);
    const Args args{in.data(), out.data(), 0};
    (*code)(&args);
    const auto* words = reinterpret_cast<const uint16_t*>(out.data());
    const auto equal = [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); };
    for (size_t i = 0; i < 16; ++i) {
      const float want = static_cast<float>(BFloat16(in[i]));
      EXPECT_TRUE(equal(static_cast<float>(BFloat16::from_bits(words[i])), want)) << name(isa) << " " << in[i];
      EXPECT_EQ(words[16 + i], static_cast<int>(i) < few ? words[i] : (i % 2 == 0 ? 0x0000 : 0xbf80)) << name(isa) << " " << i;
      if (static_cast<int>(i) >= lanes) continue;
      EXPECT_TRUE(equal(out[32 + i], want));
      EXPECT_TRUE(equal(out[48 + i], static_cast<int>(i) < few ? want : 0)) << name(isa) << " " << i;
      EXPECT_EQ(out[64 + i], in[0]);
    }
  }
}

TEST(Jit, FramesAreAlignedAndApart) {
  for (const Isa isa : runnable()) {
    Program p(isa, "frames");
    const Gpr out = p.load64(mem(p.args(), 8)), one = p.frame(100), two = p.frame(64);
    p.store(mem(one, 96), p.constant(1.0F));
    p.store(mem(two), p.constant(2.0F));
    p.store64(mem(out), one);
    p.store64(mem(out, 8), two);
    p.store(mem(out, 16), p.load(mem(one, 96), 8));
    auto code = compile(p);
    ASSERT_TRUE(code) << code.error().text();
    std::vector<float> values(24);
    const Args args{nullptr, values.data(), 0};
    (*code)(&args);
    int64_t at[2];
    std::memcpy(at, values.data(), sizeof at);
    EXPECT_EQ(at[0] % 64, 0);
    EXPECT_EQ(at[1] - at[0], 128);
    EXPECT_EQ(values[4], 1.0F);
  }
}

TEST(Jit, TextNamesEveryOperation) {
  Program p(Isa::avx2, "shown");
  const Gpr in = p.load64(mem(p.args(), 8));
  const Vec x = p.load(mem(in, 32));
  const Gpr index = p.number(3);
  p.store(mem(in, index, 4, -4), p.add(x, 1.5F));
  EXPECT_EQ(p.text(),
            "program avx2 shown(g0)\n"
            "  g1 = load64 [g0 + 8]\n"
            "  v2x8 = load [g1 + 32]\n"
            "  g3 = const 3\n"
            "  v4x8 = add v2x8 1.5\n"
            "  store v4x8 [g1 + g3*4 - 4]\n");
}

TEST(Jit, CodePagesAreNeverWritableAndExecutable) {
  if (runnable().empty()) GTEST_SKIP();
  auto code = compile(Program(Isa::avx2, "empty"));
  ASSERT_TRUE(code) << code.error().text();
  (*code)(nullptr);
  const auto address = reinterpret_cast<uintptr_t>(code->entry());
  std::ifstream maps("/proc/self/maps");
  bool found = false;
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::string rights;
    fields >> std::hex >> begin >> dash >> end >> rights;
    EXPECT_FALSE(rights[1] == 'w' && rights[2] == 'x') << line;
    if (address >= begin && address < end) {
      found = true;
      EXPECT_EQ(rights.substr(0, 3), "r-x");
    }
  }
  EXPECT_TRUE(found);
}

TEST(Jit, RefusesWhatTheIsaLacks) {
  if (runnable().empty()) GTEST_SKIP();
  Program p(Isa::avx2, "bf16");
  const Vec x = p.zero();
  p.dot_bf16(p.zero(), x, x);
  const auto code = compile(p);
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error().code, ErrorCode::internal);
}

}  // namespace
}  // namespace slipway::jit

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

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

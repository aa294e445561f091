// GlobalAveragePool and GlobalMaxPool on blocked16: one pass over each plane, 16 channels side by side.
//
// Numeric recipe: eight sums take the pixels of a stretch in turn and are added pairwise; stretches are added in double. The
// same whatever the ISA and the threads.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "base/low_precision.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/conv/channels.hpp"
#include "kernels/x64/jit/code.hpp"
#include "kernels/x64/jit/vecmath.hpp"

namespace slipway::kernels {
namespace {

using conv::kBlock;
using tactic::Exec;
using tactic::Fault;
using tactic::Format;

constexpr int kSums = 8;
/// Pixels of a stretch: so many sums of single precision lose little.
constexpr int64_t kStretch = 4096;

struct Args {
  const void* from;
  float* to;
  int64_t turns;  ///< of eight pixels
  int64_t rest;
  float count;
};

jit::Program plane_program(Isa isa, bool maximum, ElementType type) {
  const bool narrow = type == ElementType::bf16;
  const int64_t size = narrow ? 2 : 4;
  jit::Program p(isa, maximum ? "global max" : "global average");
  const auto arg = [&](size_t offset) { return jit::mem(p.args(), static_cast<int64_t>(offset)); };
  const jit::Gpr from = p.load64(arg(offsetof(Args, from))), to = p.load64(arg(offsetof(Args, to)));
  const auto take = [&](jit::Vec sum, int64_t pixel) {
    const jit::Mem at = jit::mem(from, pixel * kBlock * size);
    if (maximum) {
      jit::emit_max(p, narrow ? p.load_bf16(at) : p.load(at), sum, sum);
    } else {
      p.add(sum, narrow ? jit::Operand(p.load_bf16(at)) : jit::Operand::memory(at), sum);
    }
  };
  const auto repeat = [&](size_t count, int pixels, const std::vector<jit::Vec>& sums) {
    const jit::Label next = p.label(), done = p.label();
    const jit::Gpr left = p.load64(arg(count));
    p.jump_if(left, jit::Cond::eq, 0, done);
    p.bind(next);
    for (int i = 0; i < pixels; ++i) take(sums[static_cast<size_t>(i)], i);
    p.add(from, pixels * kBlock * size);
    p.sub(left, 1);
    p.jump_if(left, jit::Cond::gt, 0, next);
    p.bind(done);
  };
  for (int64_t half = 0; half < kBlock; half += p.lanes()) {
    std::vector<jit::Vec> sums;
    for (int i = 0; i < kSums; ++i) sums.push_back(maximum ? p.constant(-std::numeric_limits<float>::infinity()) : p.zero());
    p.load64(arg(offsetof(Args, from)), from);
    p.add(from, half * size);
    repeat(offsetof(Args, turns), kSums, sums);
    repeat(offsetof(Args, rest), 1, sums);
    for (size_t step = kSums / 2; step > 0; step /= 2) {
      for (size_t i = 0; i < step; ++i) {
        maximum ? void(jit::emit_max(p, sums[i + step], sums[i], sums[i])) : void(p.add(sums[i], sums[i + step], sums[i]));
      }
    }
    if (!maximum) p.assign(sums[0], p.div(sums[0], p.broadcast(arg(offsetof(Args, count)))));
    p.store(jit::mem(to, half * 4), sums[0]);
  }
  return p;
}

class GlobalPoolKernel final : public tactic::Kernel {
 public:
  GlobalPoolKernel(int64_t planes, int64_t pixels, bool maximum, ElementType type, jit::Code code)
      : planes_(planes), pixels_(pixels), maximum_(maximum), narrow_(type == ElementType::bf16), code_(std::move(code)) {}

  Fault run(const Exec& exec) const noexcept override {
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(planes_, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        const auto* from = static_cast<const std::byte*>(exec.inputs[0]) + i * pixels_ * pixel_bytes();
        std::array<float, kBlock> result;
        float* to = narrow_ ? result.data() : static_cast<float*>(exec.outputs[0]) + i * kBlock;
        pixels_ <= kStretch ? stretch(from, to, pixels_, static_cast<float>(pixels_)) : long_plane(from, to);
        if (!narrow_) continue;
        for (int64_t c = 0; c < kBlock; ++c)
          static_cast<BFloat16*>(exec.outputs[0])[i * kBlock + c] = BFloat16(double{result[static_cast<size_t>(c)]});
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  int64_t pixel_bytes() const { return kBlock * (narrow_ ? 2 : 4); }

  void stretch(const void* from, float* to, int64_t pixels, float count) const {
    const Args args{from, to, pixels / kSums, pixels % kSums, count};
    code_(&args);
  }

  void long_plane(const std::byte* from, float* to) const {
    std::array<double, kBlock> total;
    total.fill(maximum_ ? -std::numeric_limits<double>::infinity() : 0);
    for (int64_t done = 0; done < pixels_; done += kStretch) {
      std::array<float, kBlock> part;
      stretch(from + done * pixel_bytes(), part.data(), std::min(kStretch, pixels_ - done), 1);
      for (size_t c = 0; c < kBlock; ++c) {
        const double x = part[c];
        if (!maximum_) total[c] += x;
        if (maximum_ && (x > total[c] || std::isnan(x))) total[c] = x;
      }
    }
    for (size_t c = 0; c < kBlock; ++c) to[c] = static_cast<float>(maximum_ ? total[c] : total[c] / static_cast<double>(pixels_));
  }

  int64_t planes_, pixels_;
  bool maximum_, narrow_;
  jit::Code code_;
};

tactic::Verdict judge(const tactic::Query& query) {
  const tactic::TensorDesc& x = query.inputs[0];
  if (x.type != ElementType::f32 && x.type != ElementType::bf16) return tactic::Verdict::no("f32 and bf16 only");
  if (x.dims.rank() < 3 || x.dims.count() == 0) return tactic::Verdict::no("no space to pool over");
  constexpr double kBytesPerUs = 40e3;
  const double bytes = static_cast<double>(tactic::buffer_bytes(x.type, x.dims, Format::blocked16));
  tactic::Verdict verdict = tactic::Verdict::yes(0.3 + bytes / kBytesPerUs / query.machine.threads, "planes of channel blocks");
  verdict.inputs = {Format::blocked16};
  verdict.outputs = {Format::blocked16};
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  const Dims& x = query.inputs[0].dims;
  const ElementType type = query.inputs[0].type;
  const bool maximum = query.is("GlobalMaxPool");
  jit::Code code = TRY(jit::compile(plane_program(query.machine.isa, maximum, type)));
  return std::unique_ptr<tactic::Kernel>(
      std::make_unique<GlobalPoolKernel>(x[0] * conv::blocks_of(x[1]), x.count(2, x.rank()), maximum, type, std::move(code)));
}

}  // namespace

tactic::TacticList global_pool_tactic() {
  return {{"x64.global_pool", Isa::avx2, {"GlobalAveragePool", "GlobalMaxPool"}, judge, build}};
}

}  // namespace slipway::kernels

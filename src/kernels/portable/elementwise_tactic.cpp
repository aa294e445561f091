// Elementwise operators beside the jitted fp32 ones, plain with any broadcasting: integer arithmetic (wrapping), comparisons,
// logic, Where and Cast.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/format.hpp"
#include "kernels/portable/broadcast_loop.hpp"
#include "kernels/registry.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using Inner = BroadcastLoop::Inner;
using Pointers = BroadcastLoop::Pointers;
using Steps = BroadcastLoop::Steps;

namespace baseline {
#define SLIPWAY_LOOP
#include "kernels/portable/elementwise_loops.inc"
#undef SLIPWAY_LOOP
}  // namespace baseline

namespace avx2 {
#define SLIPWAY_LOOP __attribute__((target("avx2")))
#include "kernels/portable/elementwise_loops.inc"
#undef SLIPWAY_LOOP
}  // namespace avx2

Inner loop_of(const tactic::Query& query) {
  return query.machine.isa >= Isa::avx2 ? avx2::loop_of(query) : baseline::loop_of(query);
}

class ElementwiseKernel final : public tactic::Kernel {
 public:
  ElementwiseKernel(Inner inner, BroadcastLoop loop, size_t operands)
      : inner_(inner), loop_(std::move(loop)), operands_(operands) {}

  Fault run(const Exec& exec) const noexcept override {
    Pointers operands{};
    for (size_t i = 0; i < operands_; ++i) operands[i] = static_cast<const std::byte*>(exec.inputs[i]);
    auto task = [&](int thread, int threads) {
      loop_.run(inner_, operands, static_cast<std::byte*>(exec.outputs[0]), thread, threads);
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  Inner inner_;
  BroadcastLoop loop_;
  size_t operands_;
};

tactic::Verdict judge(const tactic::Query& query) {
  if (query.inputs.size() > kMostLoopOperands || query.outputs[0].dims.count() == 0) return tactic::Verdict::no("empty");
  if (loop_of(query) == nullptr) return tactic::Verdict::no("no loop for these types");
  constexpr double kElementsPerUs = 1e3, kBytesPerUs = 22e3;
  const auto elements = static_cast<double>(query.outputs[0].dims.count());
  double us = elements / kElementsPerUs;
  if (query.machine.isa >= Isa::avx2) {
    // Whole registers of bytes or of 64-bit words: a vector of 32-bit lanes holds a fourth of the one and nothing of the other.
    double bytes = 0;
    bool narrow = true;
    for (const auto& list : {query.inputs, query.outputs}) {
      for (const tactic::TensorDesc& d : list) {
        narrow = narrow && bits(d.type) == 8;
        bytes += static_cast<double>(byte_size(d.type, d.dims.count()));
      }
    }
    us = bytes / kBytesPerUs * (narrow ? 1 : 1.5);
  }
  return tactic::Verdict::yes(0.3 + us / query.machine.threads, "loops");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  std::vector<Dims> dims;
  std::vector<int> widths;
  for (const tactic::TensorDesc& d : query.inputs) {
    dims.push_back(d.dims);
    widths.push_back(bits(d.type) / 8);
  }
  const tactic::TensorDesc& out = query.outputs[0];
  BroadcastLoop loop(out.dims, bits(out.type) / 8, dims, widths);
  return std::unique_ptr<tactic::Kernel>(std::make_unique<ElementwiseKernel>(loop_of(query), std::move(loop), dims.size()));
}

}  // namespace

tactic::TacticList elementwise_tactic() {
  return {{"portable.elementwise",
           Isa::portable,
           {"Cast", "Where", "Not", "And", "Or", "Xor", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Add", "Sub",
            "Mul", "Max", "Min", "Abs", "Neg", "Clip"},
           judge,
           build}};
}

}  // namespace slipway::kernels

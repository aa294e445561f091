// OneHot: filled with the off value, then one element an index.
#include <algorithm>

#include "kernels/portable/runs.hpp"
#include "kernels/registry.hpp"
#include "ops/one_hot.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

/// [outer][depth][inner]
struct Work {
  int64_t outer = 1, depth = 1, inner = 1;
};

template <class T, class Index>
class OneHotKernel final : public tactic::Kernel {
 public:
  explicit OneHotKernel(const Work& work) : work_(work) {}

  Fault run(const Exec& exec) const noexcept override {
    const auto* indices = static_cast<const Index*>(exec.inputs[0]);
    const auto* values = static_cast<const T*>(exec.inputs[2]);
    auto* out = static_cast<T*>(exec.outputs[0]);
    const int64_t block = work_.depth * work_.inner;
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(work_.outer, thread, threads);
      for (int64_t o = range.begin; o < range.end; ++o) {
        runs::fill(out + o * block, values[0], block);
        for (int64_t i = 0; i < work_.inner; ++i) {
          const auto index = static_cast<int64_t>(indices[o * work_.inner + i]);
          const int64_t level = index < 0 ? index + work_.depth : index;
          if (level >= 0 && level < work_.depth) out[o * block + level * work_.inner + i] = values[1];
        }
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  Work work_;
};

template <class Index>
std::unique_ptr<tactic::Kernel> kernel_of(int width, const Work& work) {
  switch (width) {
    case 1:
      return std::make_unique<OneHotKernel<uint8_t, Index>>(work);
    case 2:
      return std::make_unique<OneHotKernel<uint16_t, Index>>(work);
    case 4:
      return std::make_unique<OneHotKernel<uint32_t, Index>>(work);
    default:
      return std::make_unique<OneHotKernel<uint64_t, Index>>(work);
  }
}

tactic::Verdict judge(const tactic::Query& query) {
  const tactic::TensorDesc& out = query.outputs[0];
  const ElementType index = query.inputs[0].type;
  if (out.type == ElementType::string || bits(out.type) < 8 || bits(out.type) > 64)
    return tactic::Verdict::no("packed elements or strings");
  if (index != ElementType::i64 && index != ElementType::i32) return tactic::Verdict::no("indices are not i32 or i64");
  if (out.dims.count() == 0) return tactic::Verdict::no("empty");
  constexpr double kBytesPerUs = 10e3;
  return tactic::Verdict::yes(
      0.3 + static_cast<double>(byte_size(out.type, out.dims.count())) / kBytesPerUs / query.machine.threads, "fill");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  const Dims& out = query.outputs[0].dims;
  const int64_t given = query.node.attrs.as<ops::OneHotAttrs>().axis;
  const int axis = static_cast<int>(given < 0 ? given + out.rank() : given);
  const Work work{out.count(0, axis), out[axis], out.count(axis + 1, out.rank())};
  const int width = bits(query.outputs[0].type) / 8;
  return query.inputs[0].type == ElementType::i64 ? kernel_of<int64_t>(width, work) : kernel_of<int32_t>(width, work);
}

}  // namespace

tactic::TacticList one_hot_tactic() {
  return {{"portable.one_hot", Isa::portable, {"OneHot"}, judge, build}};
}

}  // namespace slipway::kernels

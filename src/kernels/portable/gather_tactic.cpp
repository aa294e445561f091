// Gather: runs of bytes by index.
#include "base/format.hpp"
#include "kernels/portable/index_fault.hpp"
#include "kernels/portable/runs.hpp"
#include "kernels/registry.hpp"
#include "ops/gather.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;

template <class Index>
class GatherKernel final : public tactic::Kernel {
 public:
  explicit GatherKernel(const tactic::Query& query) {
    const Dims& in = query.inputs[0].dims;
    const int64_t given = query.node.attrs.as<ops::GatherAttrs>().axis;
    const int axis = static_cast<int>(given < 0 ? given + in.rank() : given);
    outer_ = in.count(0, axis);
    extent_ = in[axis];
    run_ = in.count(axis + 1, in.rank()) * bits(query.inputs[0].type) / 8;
    indices_ = query.inputs[1].dims.count();
  }

  Fault run(const Exec& exec) const noexcept override {
    const auto* indices = static_cast<const Index*>(exec.inputs[1]);
    for (int64_t i = 0; i < indices_; ++i) {
      if (indices[i] >= -extent_ && indices[i] < extent_) continue;
      return index_fault(exec, "Gather", static_cast<int64_t>(indices[i]), extent_);
    }
    const auto* in = static_cast<const std::byte*>(exec.inputs[0]);
    auto* out = static_cast<std::byte*>(exec.outputs[0]);
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(outer_ * indices_, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        const auto index = static_cast<int64_t>(indices[i % indices_]);
        const int64_t row = i / indices_ * extent_ + (index < 0 ? index + extent_ : index);
        runs::copy(out + i * run_, in + row * run_, run_);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  int64_t outer_ = 1, extent_ = 0, run_ = 0, indices_ = 0;
};

tactic::Verdict judge(const tactic::Query& query) {
  const ElementType type = query.inputs[0].type, index = query.inputs[1].type;
  if (type == ElementType::string || bits(type) < 8) return tactic::Verdict::no("packed elements or strings");
  if (index != ElementType::i64 && index != ElementType::i32) return tactic::Verdict::no("indices are not i32 or i64");
  if (query.outputs[0].dims.count() == 0) return tactic::Verdict::no("empty");
  constexpr double kBytesPerUs = 5e3;
  const auto bytes = static_cast<double>(byte_size(type, query.outputs[0].dims.count()));
  return tactic::Verdict::yes(0.3 + bytes / kBytesPerUs / query.machine.threads, "copies");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  std::unique_ptr<tactic::Kernel> kernel;
  if (query.inputs[1].type == ElementType::i64) {
    kernel = std::make_unique<GatherKernel<int64_t>>(query);
  } else {
    kernel = std::make_unique<GatherKernel<int32_t>>(query);
  }
  return kernel;
}

}  // namespace

tactic::TacticList gather_tactic() {
  return {{"portable.gather", Isa::portable, {"Gather"}, judge, build}};
}

}  // namespace slipway::kernels

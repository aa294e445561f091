// MaxPool and AveragePool on blocked16, row by row.
#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/window/rows.hpp"
#include "ops/pool.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::Format;
using window::kBlock;

struct Layer {
  ops::WindowAxis h, w;
  std::vector<window::RowTaps> rows;
  std::vector<float> row_counts;
  int64_t planes = 0;
  ElementType type = ElementType::f32;
  window::Reduce reduce = window::Reduce::max;
  bool include_pad = false;

  int64_t pixel_bytes() const { return kBlock * (type == ElementType::bf16 ? 2 : 4); }
};

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  const tactic::TensorDesc& x = query.inputs[0];
  if (x.type != ElementType::f32 && x.type != ElementType::bf16) return reason = "f32 and bf16 only", false;
  layer.type = x.type;
  if (x.dims.rank() < 3 || x.dims.rank() > 4) return reason = "one or two spatial axes only", false;
  if (x.dims.count() == 0) return reason = "empty", false;
  if (query.outputs.size() > 1 && !query.outputs[1].absent()) return reason = "indices are wanted", false;
  Result<ops::Window> window = ops::Window{};
  if (query.is("MaxPool")) {
    window = query.node.attrs.as<ops::MaxPoolAttrs>().window(x.dims);
  } else {
    const auto& attrs = query.node.attrs.as<ops::AveragePoolAttrs>();
    window = attrs.window(x.dims);
    layer.reduce = window::Reduce::average;
    layer.include_pad = attrs.count_include_pad;
  }
  if (!window) return reason = window.error().message, false;
  layer.w = window->back();
  layer.h = window->front();
  if (window->size() == 1) {
    layer.h = {};
    layer.h.in = layer.h.out = 1;
  }
  layer.planes = x.dims[0] * ((x.dims[1] + kBlock - 1) / kBlock);
  layer.rows = window::row_taps(layer.h);
  if (layer.rows.empty() || !window::RowKernel::fits(layer.h, layer.w)) return reason = "an unusual window", false;
  for (int64_t o = 0; o < layer.h.out; ++o) {
    layer.row_counts.push_back(static_cast<float>(ops::average_count(layer.h, o, layer.include_pad)));
  }
  return true;
}

class PoolKernel final : public tactic::Kernel {
 public:
  PoolKernel(Layer layer, window::RowKernel code) : layer_(std::move(layer)), code_(std::move(code)) {}

  Fault run(const Exec& exec) const noexcept override {
    const auto* x = static_cast<const std::byte*>(exec.inputs[0]);
    auto* y = static_cast<std::byte*>(exec.outputs[0]);
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(layer_.planes * layer_.h.out, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) {
        const int64_t plane = i / layer_.h.out;
        const auto row = static_cast<size_t>(i % layer_.h.out);
        window::RowArgs args;
        args.in = x + (plane * layer_.h.in + layer_.rows[row].in_row) * layer_.w.in * layer_.pixel_bytes();
        args.tap_rows = layer_.rows[row].count;
        args.row_count = layer_.row_counts[row];
        args.out = y + i * layer_.w.out * layer_.pixel_bytes();
        code_(args);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("{}x{}", layer_.h.kernel, layer_.w.kernel); }

 private:
  Layer layer_;
  window::RowKernel code_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kTapsPerUs = 25e3;
  const double taps = static_cast<double>(query.outputs[0].dims.count()) * static_cast<double>(layer.h.kernel * layer.w.kernel);
  tactic::Verdict verdict = tactic::Verdict::yes(0.5 + taps / kTapsPerUs / query.machine.threads, "rows of channel blocks");
  verdict.inputs = {Format::blocked16};
  verdict.outputs = {Format::blocked16};
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return Error(ErrorCode::internal, reason);
  window::RowSpec spec;
  spec.isa = query.machine.isa;
  spec.reduce = layer.reduce;
  spec.columns = layer.w;
  spec.type = layer.type;
  spec.tap_row_bytes = layer.h.dilation * layer.w.in * layer.pixel_bytes();
  spec.count_include_pad = layer.include_pad;
  return std::unique_ptr<tactic::Kernel>(std::make_unique<PoolKernel>(layer, TRY(window::RowKernel::make(spec))));
}

}  // namespace

tactic::TacticList pool_tactic() {
  return {{"x64.pool", Isa::avx2, {"MaxPool", "AveragePool"}, judge, build}};
}

}  // namespace slipway::kernels

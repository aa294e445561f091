// Depthwise convolution (one filter a channel) on blocked16, row by row, the tail applied to each sum in its register.
#include <cstring>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/conv/layer.hpp"
#include "kernels/x64/window/rows.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::Format;
using window::kBlock;

struct Layer : conv::Layer {
  std::vector<window::RowTaps> rows;
};

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  if (!conv::read_layer(query, layer, reason)) return false;
  if (layer.groups != layer.in_channels || layer.out_channels != layer.in_channels)
    return reason = "not one filter a channel", false;
  layer.rows = window::row_taps(layer.window.h);
  if (layer.rows.empty() || !window::RowKernel::fits(layer.window.h, layer.window.w)) return reason = "an unusual window", false;
  return true;
}

/// [channels, 1, taps...] to [block][tap][16] of f32, zero beyond the channels.
tactic::Packing pack_by_blocks(ElementType type, int64_t channels, int64_t taps) {
  const int64_t blocks = (channels + kBlock - 1) / kBlock;
  const auto place = [taps](int64_t c, int64_t t) { return (c / kBlock * taps + t) * kBlock + c % kBlock; };
  tactic::Packing packing;
  packing.recipe = fmt::format("depthwise/{}/16", slipway::name(type));
  packing.bytes = static_cast<size_t>(blocks * taps * kBlock) * sizeof(float);
  packing.pack = [=, bytes = packing.bytes](const Tensor& from, std::byte* to) {
    std::memset(to, 0, bytes);
    for (int64_t i = 0; i < channels * taps; ++i) {
      reinterpret_cast<float*>(to)[place(i / taps, i % taps)] = static_cast<float>(load_double(from.data(), type, i));
    }
  };
  packing.unpack = [=](const std::byte* from, Tensor& to) {
    for (int64_t i = 0; i < channels * taps; ++i)
      store_double(to.data(), type, i, reinterpret_cast<const float*>(from)[place(i / taps, i % taps)]);
  };
  return packing;
}

class DepthwiseKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, Layer layer, tactic::BuildContext& context) {
    window::RowSpec spec;
    spec.isa = query.machine.isa;
    spec.reduce = window::Reduce::convolve;
    spec.columns = layer.window.w;
    spec.tap_row_bytes = layer.window.h.dilation * layer.window.w.in * kBlock * layer.element_bytes();
    spec.type = layer.type;
    spec.tail = layer.tail.program;
    std::unique_ptr<DepthwiseKernel> kernel(new DepthwiseKernel(std::move(layer)));
    const Layer& l = kernel->layer_;
    kernel->weights_ = TRY(context.pack(1, pack_by_blocks(l.type, l.in_channels, l.window.taps())));
    kernel->operands_ = TRY(conv::TailOperands::make(l.tail, l.in_channels, context));
    spec.operand_types = kernel->operands_.types();
    kernel->code_ = TRY(window::RowKernel::make(spec));
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    auto task = [&](int thread, int threads) {
      const int64_t height = layer_.window.h.out;
      const Team::Range range = Team::share(layer_.batch * layer_.in_blocks() * height, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) row(exec, i / height, i % height);
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("{}x{}", layer_.window.h.kernel, layer_.window.w.kernel); }

 private:
  explicit DepthwiseKernel(Layer layer) : layer_(std::move(layer)) {}

  /// One output row of one plane (batch and block).
  void row(const Exec& exec, int64_t plane, int64_t y) const {
    const conv::Window2d& win = layer_.window;
    const window::RowTaps& taps = layer_.rows[static_cast<size_t>(y)];
    const int64_t block = plane % layer_.in_blocks(), out_offset = (plane * win.h.out + y) * win.w.out * kBlock;
    window::RowArgs args;
    const int64_t pixel = kBlock * layer_.element_bytes();
    args.in = static_cast<const std::byte*>(exec.inputs[0]) + (plane * win.h.in + taps.in_row) * win.w.in * pixel;
    args.tap_rows = taps.count;
    args.weights =
        reinterpret_cast<const float*>(weights_.get()) + (block * win.h.kernel + taps.first_tap) * win.w.kernel * kBlock;
    args.out = static_cast<std::byte*>(exec.outputs[0]) + out_offset * layer_.element_bytes();
    for (size_t i = 0; i < operands_.size(); ++i) args.operands[i + 1] = operands_.at(exec, i, block * kBlock, out_offset);
    code_(args);
  }

  Layer layer_;
  window::RowKernel code_;
  tactic::Packed weights_;
  conv::TailOperands operands_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kTapsPerUs = 25e3;
  const double taps = static_cast<double>(query.outputs[0].dims.count()) * static_cast<double>(layer.window.taps());
  return conv::blocked_verdict(query, layer.tail, Format::blocked16, 0.5 + taps / kTapsPerUs / query.machine.threads,
                               "rows of channel blocks");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return Error(ErrorCode::internal, reason);
  return DepthwiseKernel::build(query, std::move(layer), context);
}

}  // namespace

tactic::TacticList depthwise_tactic() {
  return {{"x64.depthwise", Isa::avx2, {"Conv", "Group"}, judge, build}};
}

}  // namespace slipway::kernels

// Transposed convolution to few channels whose windows do not overlap (kernel = stride, no padding): one product of each input
// pixel with all taps and channels at once, spread over a plain output. blocked16 would store 16 lanes for each of the few.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/conv/tail_operands.hpp"
#include "kernels/x64/gemm/microkernel.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/group.hpp"

namespace slipway::kernels {
namespace {

using conv::kBlock;
using eltwise::Lie;
using eltwise::Tail;
using gemm::Microkernel;
using gemm::MicrokernelArgs;
using gemm::MicrokernelSpec;
using tactic::Exec;
using tactic::Fault;
using tactic::Format;

constexpr int64_t kMostColumns = 32, kMostRows = 28;

struct Layer {
  int64_t batch = 1, in_channels = 1, out_channels = 1;
  int64_t in_h = 1, in_w = 1, stride_h = 1, stride_w = 1;
  Tail tail;

  int64_t in_blocks() const { return conv::blocks_of(in_channels); }
  /// Columns of the product: tap row, tap column, output channel.
  int64_t columns() const { return stride_h * stride_w * out_channels; }
  int64_t padded_columns() const { return (columns() + kBlock - 1) / kBlock * kBlock; }
};

bool tiles_the_output(const ops::WindowAxis& a) {
  return a.kernel == a.stride && a.dilation == 1 && a.pad_begin == 0 && a.in == a.out * a.stride;
}

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group != nullptr && group->kind != "conv_transpose") return reason = "not a transposed convolution", false;
  const Dims &x = query.inputs[0].dims, &w = query.inputs[1].dims;
  if (query.inputs[0].type != ElementType::f32) return reason = "f32 only", false;
  if (query.inputs[1].constant == nullptr) return reason = "the weights are not constant", false;
  if (x.rank() < 3 || x.rank() > 4) return reason = "one or two spatial axes only", false;
  if (x.count() == 0 || w.count() == 0) return reason = "empty", false;
  if (!eltwise::read_tail(query, 1, true, layer.tail, reason) || !conv::packable(query, layer.tail, reason)) return false;
  for (const eltwise::TailOperand& o : layer.tail.operands) {
    if (o.lie == Lie::full) return reason = "a residual", false;
  }
  const auto& attrs = layer.tail.main->attrs.as<ops::ConvTransposeAttrs>();
  if (attrs.group != 1) return reason = "groups", false;
  const Result<ops::Window> window = attrs.window(x, w);
  if (!window) return reason = window.error().message, false;
  for (const ops::WindowAxis& a : *window) {
    if (!tiles_the_output(a)) return reason = "windows overlap or leave gaps", false;
  }
  layer.batch = x[0];
  layer.in_channels = x[1];
  layer.out_channels = w[1];
  layer.in_w = x.back();
  layer.stride_w = window->back().stride;
  if (window->size() == 2) {
    layer.in_h = x[2];
    layer.stride_h = window->front().stride;
  }
  if (layer.out_channels > kBlock / 2 || layer.stride_h > kMostColumns || layer.stride_w > kMostColumns)
    return reason = "not thin", false;
  if (layer.columns() > kMostColumns) return reason = "not thin", false;
  return true;
}

class ThinKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, Layer layer, tactic::BuildContext& context) {
    std::unique_ptr<ThinKernel> kernel(new ThinKernel(std::move(layer)));
    TRY(kernel->prepare(query, context));
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    auto task = [&](int thread, int threads) {
      const Team::Range range = Team::share(layer_.batch * layer_.in_h, thread, threads);
      for (int64_t i = range.begin; i < range.end; ++i) run_row(exec, i / layer_.in_h, i % layer_.in_h);
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("{} columns", layer_.columns()); }

 private:
  explicit ThinKernel(Layer layer) : layer_(std::move(layer)) {}

  Status prepare(const tactic::Query& query, tactic::BuildContext& context) {
    const int64_t plane = layer_.in_h * layer_.in_w * kBlock * 4, rest = layer_.in_channels % kBlock;
    for (int64_t b = 0; b < std::max<int64_t>(1, layer_.in_channels / kBlock); ++b) whole_.push_back(b * plane);
    if (rest != 0 && layer_.in_channels > kBlock) rest_.push_back(layer_.in_channels / kBlock * plane);
    const int columns = static_cast<int>(layer_.padded_columns());
    tile_ = std::min<int64_t>({kMostRows, layer_.in_w, gemm::max_rows(query.machine.isa, columns)});
    TRY(make_kernel(query.machine.isa, tile_, 0));
    if (layer_.in_w % tile_ != 0) TRY(make_kernel(query.machine.isa, layer_.in_w % tile_, 1));
    weights_ = TRY(pack_weights(context));
    operands_ = TRY(conv::TailOperands::make(layer_.tail, pack_columns(), context));
    return {};
  }

  Status make_kernel(Isa isa, int64_t rows, size_t kind) {
    MicrokernelSpec spec;
    spec.isa = isa;
    spec.rows = static_cast<int>(rows);
    spec.columns = spec.panel_columns = static_cast<int>(layer_.padded_columns());
    spec.batched = true;
    spec.a_rows = gemm::Rows::apart(kBlock * 4);
    spec.c_rows = gemm::Rows::apart(static_cast<int32_t>(layer_.padded_columns() * 4));
    spec.k = std::min(layer_.in_channels, kBlock);
    if (!rest_.empty()) spec.rest = layer_.in_channels % kBlock;
    if (!layer_.tail.program.steps.empty()) spec.tail = layer_.tail.program;
    kernels_[kind] = TRY(Microkernel::make(spec));
    return {};
  }

  /// [C, M, taps] to [C][tap, M], zero beyond.
  Result<tactic::Packed> pack_weights(tactic::BuildContext& context) {
    const int64_t in = layer_.in_channels, out = layer_.out_channels, taps = layer_.stride_h * layer_.stride_w,
                  width = layer_.padded_columns();
    tactic::Packing packing;
    packing.recipe = "conv_transpose_thin/f32";
    packing.bytes = static_cast<size_t>(in * width) * sizeof(float);
    const auto place = [=](int64_t i) { return i / (out * taps) * width + i % taps * out + i / taps % out; };
    packing.pack = [=, bytes = packing.bytes](const Tensor& from, std::byte* to) {
      std::memset(to, 0, bytes);
      for (int64_t i = 0; i < in * out * taps; ++i) reinterpret_cast<float*>(to)[place(i)] = from.as<float>()[i];
    };
    packing.unpack = [=](const std::byte* from, Tensor& to) {
      for (int64_t i = 0; i < in * out * taps; ++i) to.as<float>()[i] = reinterpret_cast<const float*>(from)[place(i)];
    };
    return context.pack(1, packing);
  }

  /// One value a channel, repeated for each tap.
  tactic::Packing pack_columns() const {
    const int64_t out = layer_.out_channels, columns = layer_.columns(), width = layer_.padded_columns();
    tactic::Packing packing;
    packing.recipe = fmt::format("channels_repeated/f32/{}", columns);
    packing.bytes = static_cast<size_t>(width) * sizeof(float);
    packing.pack = [=](const Tensor& from, std::byte* to) {
      for (int64_t i = 0; i < width; ++i) reinterpret_cast<float*>(to)[i] = i < columns ? from.as<float>()[i % out] : 0.0f;
    };
    packing.unpack = [](const std::byte* from, Tensor& to) { std::memcpy(to.data(), from, to.bytes()); };
    return packing;
  }

  /// One input row of one image: tiles of pixels, each spread over stride_h output rows.
  void run_row(const Exec& exec, int64_t n, int64_t y) const {
    alignas(64) std::array<float, kMostRows * kMostColumns> sums;
    const float* image = static_cast<const float*>(exec.inputs[0]) + n * layer_.in_blocks() * kBlock * layer_.in_h * layer_.in_w;
    MicrokernelArgs args;
    args.c = {sums.data(), 0, 0};
    for (size_t i = 0; i < operands_.size(); ++i) args.operands[i + 1] = {operands_.at(exec, i, 0, 0), 0, 0};
    args.b = weights_.get();
    args.a_offsets = whole_.data();
    args.batch = static_cast<int64_t>(whole_.size());
    args.rest_offsets = rest_.data();
    args.rest_batch = static_cast<int64_t>(rest_.size());
    for (int64_t x = 0; x < layer_.in_w; x += tile_) {
      const int64_t pixels = std::min(tile_, layer_.in_w - x);
      const size_t kind = pixels == tile_ ? 0 : 1;
      args.a = image + (y * layer_.in_w + x) * kBlock;
      (*kernels_[kind])(args);
      spread(sums.data(), static_cast<float*>(exec.outputs[0]), n, y, x, pixels);
    }
  }

  void spread(const float* sums, float* out, int64_t n, int64_t y, int64_t x, int64_t pixels) const {
    const int64_t sh = layer_.stride_h, sw = layer_.stride_w, channels = layer_.out_channels, width = layer_.padded_columns();
    const int64_t out_w = layer_.in_w * sw, out_h = layer_.in_h * sh;
    for (int64_t m = 0; m < channels; ++m) {
      for (int64_t r = 0; r < sh; ++r) {
        float* row = out + ((n * channels + m) * out_h + y * sh + r) * out_w + x * sw;
        const float* from = sums + r * sw * channels + m;
        for (int64_t p = 0; p < pixels; ++p) {
          for (int64_t c = 0; c < sw; ++c) row[p * sw + c] = from[p * width + c * channels];
        }
      }
    }
  }

  Layer layer_;
  std::vector<int64_t> whole_, rest_;              ///< input offsets in bytes: whole blocks of channels, the partial last one
  std::shared_ptr<const Microkernel> kernels_[2];  ///< whole tile, last tile of a row
  int64_t tile_ = 1;
  tactic::Packed weights_;
  conv::TailOperands operands_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kFlopsPerUs = 80e3;
  const double pixels = static_cast<double>(layer.batch * layer.in_h * layer.in_w);
  const double flops = 2.0 * pixels * static_cast<double>(layer.in_channels * layer.padded_columns());
  tactic::Verdict verdict = tactic::Verdict::yes(0.5 + flops / kFlopsPerUs / query.machine.threads, "all taps at once");
  verdict.inputs.assign(query.inputs.size(), Format::plain);
  verdict.inputs[0] = Format::blocked16;
  verdict.outputs = {Format::plain};
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return Error(ErrorCode::internal, reason);
  return ThinKernel::build(query, std::move(layer), context);
}

}  // namespace

tactic::TacticList conv_transpose_thin_tactic() {
  return {{"x64.conv_transpose_thin", Isa::avx2, {"ConvTranspose", "Group"}, judge, build}};
}

}  // namespace slipway::kernels

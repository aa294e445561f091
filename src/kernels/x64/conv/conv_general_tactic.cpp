// Any convolution of one to three spatial axes, any groups, weights constant or not, plain to plain: pixels of a group are
// gathered into a [channel x tap, pixel] matrix piece by piece, which the microkernel multiplies with the weights in place.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/eltwise/tail.hpp"
#include "kernels/x64/gemm/microkernel.hpp"
#include "ops/conv.hpp"
#include "ops/group.hpp"

namespace slipway::kernels {
namespace {

using eltwise::Lie;
using eltwise::Spread;
using eltwise::Tail;
using gemm::Microkernel;
using gemm::MicrokernelArgs;
using gemm::MicrokernelSpec;
using tactic::Exec;
using tactic::Fault;

/// Bytes of a gathered piece, about half an L2.
constexpr int64_t kPieceBytes = 256 << 10;
constexpr int64_t kMostPixels = 64, kVector = 16;

struct Layer {
  std::array<ops::WindowAxis, 3> axes;  ///< depth, height, width; absent ones have extent 1
  int64_t batch = 1, in_channels = 1, out_channels = 1, groups = 1;
  ElementType type = ElementType::f32;  ///< or bf16
  Tail tail;

  int64_t element_bytes() const { return type == ElementType::bf16 ? 2 : 4; }
  int64_t group_in() const { return in_channels / groups; }
  int64_t group_out() const { return out_channels / groups; }
  int64_t taps() const { return axes[0].kernel * axes[1].kernel * axes[2].kernel; }
  int64_t depth() const { return group_in() * taps(); }
  int64_t in_plane() const { return axes[0].in * axes[1].in * axes[2].in; }
  int64_t out_plane() const { return axes[0].out * axes[1].out * axes[2].out; }
};

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group != nullptr && group->kind != "conv") return reason = "not a convolution", false;
  const Dims &x = query.inputs[0].dims, &w = query.inputs[1].dims;
  layer.type = query.inputs[0].type;
  if (layer.type != ElementType::f32 && layer.type != ElementType::bf16) return reason = "f32 and bf16 only", false;
  if (query.inputs[1].type != layer.type || query.outputs[0].type != layer.type) return reason = "types differ", false;
  if (x.rank() < 3 || x.rank() > 5) return reason = "one to three spatial axes only", false;
  if (x.count() == 0 || w.count() == 0 || query.outputs[0].dims.count() == 0) return reason = "empty", false;
  if (!eltwise::read_tail(query, 1, true, layer.tail, reason)) return false;
  const auto& attrs = layer.tail.main->attrs.as<ops::ConvAttrs>();
  const Result<ops::Window> window = attrs.window(x, w);
  if (!window) return reason = window.error().message, false;
  for (ops::WindowAxis& a : layer.axes) a.in = a.out = 1;
  std::copy(window->begin(), window->end(), layer.axes.end() - static_cast<ptrdiff_t>(window->size()));
  layer.batch = x[0];
  layer.in_channels = x[1];
  layer.out_channels = w[0];
  layer.groups = attrs.group;
  constexpr int64_t kMostDepth = 1 << 24;
  if (layer.depth() > kMostDepth) return reason = "too long a sum", false;
  // The product's rows are the channels.
  for (Spread& s : layer.tail.program.operands) s = s == Spread::column ? Spread::row : s;
  return true;
}

class GeneralKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, Layer layer, tactic::BuildContext& context) {
    std::unique_ptr<GeneralKernel> kernel(new GeneralKernel(std::move(layer)));
    TRY(kernel->prepare(query, context));
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    auto task = [&](int thread, int threads) {
      if (thread >= threads_) return;
      const int64_t pieces = (layer_.out_plane() + pixels_ - 1) / pixels_;
      std::byte* gathered = exec.scratch + thread * gathered_bytes();
      const Team::Range range = Team::share(layer_.batch * layer_.groups * pieces, thread, std::min(threads, threads_));
      for (int64_t i = range.begin; i < range.end; ++i) {
        run_piece(exec, i / pieces / layer_.groups, i / pieces % layer_.groups, i % pieces * pixels_, gathered);
      }
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("{}x{}, gathered", rows_, pixels_); }

 private:
  explicit GeneralKernel(Layer layer) : layer_(std::move(layer)) {}

  Status prepare(const tactic::Query& query, tactic::BuildContext& context) {
    threads_ = query.machine.threads;
    const gemm::Product product = layer_.type == ElementType::bf16 ? gemm::Product::bf16 : gemm::Product::f32;
    const int64_t wanted = kPieceBytes / (layer_.depth() * layer_.element_bytes()) / kVector * kVector;
    pixels_ = std::min(std::clamp(wanted, kVector, kMostPixels), layer_.out_plane());
    rows_ = std::min<int64_t>(gemm::max_rows(query.machine.isa, static_cast<int>(std::min(pixels_, kMostPixels)), product),
                              layer_.group_out());
    const int64_t last_pixels = layer_.out_plane() % pixels_, last_rows = layer_.group_out() % rows_;
    for (size_t r = 0; r < 2; ++r) {
      for (size_t p = 0; p < 2; ++p) {
        const int64_t rows = r == 0 ? rows_ : last_rows, pixels = p == 0 ? pixels_ : last_pixels;
        if (rows == 0 || pixels == 0) continue;
        MicrokernelSpec spec;
        spec.isa = query.machine.isa;
        spec.product = product;
        spec.c_type = layer_.type;
        spec.rows = static_cast<int>(rows);
        spec.columns = static_cast<int>(pixels);
        if (!layer_.tail.program.steps.empty()) {
          spec.tail = layer_.tail.program;
          spec.operand_types = layer_.tail.operand_types();
        }
        kernels_[r][p] = TRY(Microkernel::make(spec));
      }
    }
    context.book_scratch(static_cast<size_t>(threads_ * gathered_bytes()));
    return {};
  }

  int64_t gathered_bytes() const { return layer_.depth() * pixels_ * layer_.element_bytes(); }

  void run_piece(const Exec& exec, int64_t n, int64_t g, int64_t pixel, std::byte* gathered) const {
    const int64_t plane = layer_.out_plane(), count = std::min(pixels_, plane - pixel), depth = layer_.depth(),
                  size = layer_.element_bytes();
    const int64_t first = (n * layer_.in_channels + g * layer_.group_in()) * layer_.in_plane();
    if (size == 2) {
      gather(static_cast<const uint16_t*>(exec.inputs[0]) + first, pixel, count, reinterpret_cast<uint16_t*>(gathered));
    } else {
      gather(static_cast<const float*>(exec.inputs[0]) + first, pixel, count, reinterpret_cast<float*>(gathered));
    }
    MicrokernelArgs args;
    args.b = gathered;
    args.b_row_bytes = pixels_ * size;
    args.k = depth;
    args.a_row_bytes = depth * size;
    for (int64_t row = 0; row < layer_.group_out(); row += rows_) {
      const int64_t channel = g * layer_.group_out() + row, offset = (n * layer_.out_channels + channel) * plane + pixel;
      args.a = static_cast<const std::byte*>(exec.inputs[1]) + channel * depth * size;
      args.c = {static_cast<std::byte*>(exec.outputs[0]) + offset * size, plane * size, 0};
      for (size_t i = 0; i < layer_.tail.operands.size(); ++i) {
        const eltwise::TailOperand& o = layer_.tail.operands[i];
        const auto* data = static_cast<const std::byte*>(exec.inputs[o.input]);
        const int64_t at = o.lie == Lie::full ? offset : o.lie == Lie::channel ? channel : 0;
        args.operands[i + 1] = {data + byte_size(o.type, at), plane * size, 0};
      }
      (*kernels_[row + rows_ <= layer_.group_out() ? 0 : 1][count == pixels_ ? 0 : 1])(args);
    }
  }

  /// [channel, tap][pixels_]: what each tap meets at `count` outputs from `pixel` on; zero outside the input.
  template <class Element>
  void gather(const Element* in, int64_t pixel, int64_t count, Element* out) const {
    const auto& [d, h, w] = layer_.axes;
    for (int64_t c = 0; c < layer_.group_in(); ++c, in += layer_.in_plane()) {
      for (int64_t kd = 0; kd < d.kernel; ++kd) {
        for (int64_t kh = 0; kh < h.kernel; ++kh) {
          for (int64_t kw = 0; kw < w.kernel; ++kw, out += pixels_) {
            for (int64_t done = 0; done < count;) {
              const int64_t at = pixel + done, x = at % w.out, y = at / w.out % h.out, z = at / w.out / h.out;
              const int64_t run = std::min(count - done, w.out - x);
              const int64_t in_y = y * h.stride + kh * h.dilation - h.pad_begin,
                            in_z = z * d.stride + kd * d.dilation - d.pad_begin;
              if (in_y < 0 || in_y >= h.in || in_z < 0 || in_z >= d.in) {
                std::memset(out + done, 0, static_cast<size_t>(run) * sizeof(Element));
              } else {
                gather_run(in + (in_z * h.in + in_y) * w.in, x * w.stride + kw * w.dilation - w.pad_begin, run, out + done);
              }
              done += run;
            }
          }
        }
      }
    }
  }

  /// `run` neighbouring outputs of one row; the first meets position `first` of the line, which may be outside.
  template <class Element>
  void gather_run(const Element* line, int64_t first, int64_t run, Element* out) const {
    const int64_t stride = layer_.axes[2].stride, extent = layer_.axes[2].in;
    const int64_t begin = std::min(run, first >= 0 ? 0 : (-first + stride - 1) / stride);
    const int64_t end = std::clamp<int64_t>((extent - first + stride - 1) / stride, begin, run);
    std::fill(out, out + begin, Element{});
    for (int64_t i = begin; i < end; ++i) out[i] = line[first + i * stride];
    std::fill(out + end, out + run, Element{});
  }

  Layer layer_;
  int threads_ = 1;
  int64_t pixels_ = 1, rows_ = 1;
  std::shared_ptr<const Microkernel> kernels_[2][2];  ///< [last rows][last pixels]
};

tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kFlopsPerUs = 20e3, kGatheredPerUs = 1e3;
  const auto outputs = static_cast<double>(query.outputs[0].dims.count());
  const double gathered = outputs / static_cast<double>(layer.group_out()) * static_cast<double>(layer.depth());
  const double us = 2 * outputs * static_cast<double>(layer.depth()) / kFlopsPerUs + gathered / kGatheredPerUs;
  return tactic::Verdict::yes(2 + us / query.machine.threads, "gathered product");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return Error(ErrorCode::internal, reason);
  return GeneralKernel::build(query, std::move(layer), context);
}

}  // namespace

tactic::TacticList conv_general_tactic() {
  return {{"x64.conv_general", Isa::avx2, {"Conv", "Group"}, judge, build}};
}

}  // namespace slipway::kernels

// Transposed convolution as one direct convolution for each phase of the stride: the outputs of a phase stand `stride` apart and
// take the same few taps at stride 1. blocked16 to blocked16, on the batch-reduce microkernel.
#include <algorithm>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/conv/halo.hpp"
#include "kernels/x64/conv/tail_operands.hpp"
#include "kernels/x64/gemm/microkernel.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/group.hpp"

namespace slipway::kernels {
namespace {

using conv::kBlock;
using eltwise::Tail;
using gemm::Microkernel;
using gemm::MicrokernelArgs;
using gemm::MicrokernelSpec;
using tactic::Exec;
using tactic::Fault;
using tactic::Format;

constexpr int kPanel = 32;
constexpr int64_t kMostPhases = 64;

/// A tap of one axis in a phase: output stride * q + phase takes input q + shift.
struct Tap {
  int64_t kernel, shift;
};

/// One axis of one phase.
struct PhaseAxis {
  int64_t first = 0, count = 0;  ///< outputs first, first + stride, ...
  std::vector<Tap> taps;
};

/// `in` of the axis is this operator's output, `out` its input. Empty when a phase takes no tap.
std::vector<PhaseAxis> phases_of(const ops::WindowAxis& a) {
  std::vector<PhaseAxis> out;
  for (int64_t first = 0; first < std::min(a.stride, a.in); ++first) {
    PhaseAxis phase{first, (a.in - first + a.stride - 1) / a.stride, {}};
    for (int64_t k = 0; k < a.kernel; ++k) {
      const int64_t distance = first + a.pad_begin - k * a.dilation;
      if (distance % a.stride == 0) phase.taps.push_back({k, distance / a.stride});
    }
    if (phase.taps.empty()) return {};
    out.push_back(std::move(phase));
  }
  return out;
}

/// The zeros around the input that the phases read.
ops::WindowAxis halo_of(const std::vector<PhaseAxis>& phases, int64_t in) {
  ops::WindowAxis axis;
  axis.in = in;
  for (const PhaseAxis& p : phases) {
    for (const Tap& t : p.taps) {
      axis.pad_begin = std::max(axis.pad_begin, -t.shift);
      axis.pad_end = std::max(axis.pad_end, p.count + t.shift - in);
    }
  }
  return axis;
}

struct Layer {
  int64_t batch = 1, in_channels = 1, out_channels = 1;
  int64_t out_h = 1, out_w = 1, stride_h = 1, stride_w = 1, taps = 1, kernel_w = 1;
  std::vector<PhaseAxis> rows, columns;
  conv::Window2d halo;
  ElementType type = ElementType::f32;  ///< or bf16
  Tail tail;

  int64_t element_bytes() const { return type == ElementType::bf16 ? 2 : 4; }
  int64_t pixel_bytes() const { return kBlock * element_bytes(); }
  gemm::Product product() const { return type == ElementType::bf16 ? gemm::Product::bf16 : gemm::Product::f32; }
  /// 4-byte steps of the input channels.
  int64_t in_steps() const { return (in_channels + gemm::step_elements(product()) - 1) / gemm::step_elements(product()); }

  int64_t in_blocks() const { return conv::blocks_of(in_channels); }
  int64_t out_blocks() const { return conv::blocks_of(out_channels); }
  int64_t panels() const { return (out_blocks() + 1) / 2; }
  int64_t in_image() const { return in_blocks() * kBlock * halo.h.in * halo.w.in; }
  int64_t out_image() const { return out_blocks() * kBlock * out_h * out_w; }
};

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group != nullptr && group->kind != "conv_transpose") return reason = "not a transposed convolution", false;
  const Dims &x = query.inputs[0].dims, &w = query.inputs[1].dims;
  layer.type = query.inputs[0].type;
  if (layer.type != ElementType::f32 && layer.type != ElementType::bf16) return reason = "f32 and bf16 only", false;
  if (query.inputs[1].type != layer.type || query.outputs[0].type != layer.type) return reason = "types differ", false;
  if (query.inputs[1].constant == nullptr) return reason = "the weights are not constant", false;
  if (x.rank() < 3 || x.rank() > 4) return reason = "one or two spatial axes only", false;
  if (x.count() == 0 || w.count() == 0 || query.outputs[0].dims.count() == 0) return reason = "empty", false;
  if (!eltwise::read_tail(query, 1, true, layer.tail, reason) || !conv::packable(query, layer.tail, reason)) return false;
  const auto& attrs = layer.tail.main->attrs.as<ops::ConvTransposeAttrs>();
  if (attrs.group != 1) return reason = "groups", false;
  const Result<ops::Window> window = attrs.window(x, w);
  if (!window) return reason = window.error().message, false;
  ops::WindowAxis h, w_axis = window->back();
  h.in = h.out = 1;
  if (window->size() == 2) h = window->front();
  if (h.stride * w_axis.stride > kMostPhases || h.in < 1 || w_axis.in < 1) return reason = "too many phases", false;
  layer.rows = phases_of(h);
  layer.columns = phases_of(w_axis);
  if (layer.rows.empty() || layer.columns.empty()) return reason = "a phase without taps", false;
  layer.halo.h = halo_of(layer.rows, h.out);
  layer.halo.w = halo_of(layer.columns, w_axis.out);
  layer.batch = x[0];
  layer.in_channels = x[1];
  layer.out_channels = w[1];
  layer.out_h = h.in;
  layer.out_w = w_axis.in;
  layer.stride_h = h.stride;
  layer.stride_w = w_axis.stride;
  layer.taps = h.kernel * w_axis.kernel;
  layer.kernel_w = w_axis.kernel;
  return true;
}

/// One phase of both axes.
struct Phase {
  const PhaseAxis *rows, *columns;
  int64_t b_offset = 0;                        ///< bytes from the panel's start
  std::vector<int64_t> whole, rest;            ///< input offsets in bytes: whole blocks, then the partial last one
  std::vector<std::pair<int64_t, int>> parts;  ///< columns of one row: first and kernel
};

class ConvTransposeKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, Layer layer, tactic::BuildContext& context) {
    std::unique_ptr<ConvTransposeKernel> kernel(new ConvTransposeKernel(std::move(layer)));
    TRY(kernel->prepare(query, context));
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    const auto* x = static_cast<const std::byte*>(exec.inputs[0]);
    std::byte* padded = exec.scratch;
    for (int64_t n = 0; n < layer_.batch; ++n) {
      const std::byte* image = x + n * layer_.in_image() * layer_.element_bytes();
      if (layer_.halo.has_halo()) {
        conv::pad_blocks(layer_.halo, layer_.in_blocks(), layer_.pixel_bytes(), image, padded, exec.team);
        image = padded;
      }
      auto task = [&](int thread, int threads) {
        const Team::Range range = Team::share(layer_.panels() * static_cast<int64_t>(lines_.size()), thread, threads);
        for (int64_t i = range.begin; i < range.end; ++i) {
          const auto lines = static_cast<int64_t>(lines_.size());
          run_line(exec, image, n, i / lines, lines_[static_cast<size_t>(i % lines)]);
        }
      };
      exec.team.run(task);
    }
    return Fault::none;
  }

  std::string describe() const override { return fmt::format("{} phases", phases_.size()); }

 private:
  /// One row of outputs of one phase.
  struct Line {
    size_t phase;
    int64_t row;
  };
  /// Kernels for one count of outputs: of all panels but the last, and of the last.
  struct Kind {
    int64_t count;
    std::shared_ptr<const Microkernel> whole, last;
  };

  explicit ConvTransposeKernel(Layer layer) : layer_(std::move(layer)) {}

  Status prepare(const tactic::Query& query, tactic::BuildContext& context) {
    rest_ = layer_.in_channels % kBlock;
    operands_ = TRY(conv::TailOperands::make(layer_.tail, layer_.out_channels, context));
    for (const PhaseAxis& r : layer_.rows) {
      for (const PhaseAxis& c : layer_.columns) TRY(add_phase(query.machine.isa, r, c));
    }
    weights_ = TRY(pack_weights(context));
    if (layer_.halo.has_halo()) {
      context.book_scratch(
          static_cast<size_t>(layer_.halo.padded_h() * layer_.halo.padded_w() * layer_.in_blocks() * layer_.pixel_bytes()));
    }
    return {};
  }

  Status add_phase(Isa isa, const PhaseAxis& rows, const PhaseAxis& columns) {
    Phase phase{&rows, &columns, 0, {}, {}, {}};
    if (!phases_.empty()) {
      const Phase& last = phases_.back();
      phase.b_offset = last.b_offset +
                       layer_.in_steps() * static_cast<int64_t>(last.rows->taps.size() * last.columns->taps.size()) * kPanel * 4;
    }
    const int64_t width = layer_.halo.padded_w(), plane = layer_.halo.padded_h() * width * layer_.pixel_bytes();
    for (int64_t block = 0; block < layer_.in_blocks(); ++block) {
      const bool partial = rest_ != 0 && block + 1 == layer_.in_blocks() && block > 0;
      for (const Tap& r : rows.taps) {
        for (const Tap& c : columns.taps) {
          const int64_t pixel = (r.shift + layer_.halo.h.pad_begin) * width + c.shift + layer_.halo.w.pad_begin;
          (partial ? phase.rest : phase.whole).push_back(block * plane + pixel * layer_.pixel_bytes());
        }
      }
    }
    const int64_t most = gemm::max_rows(isa, kPanel, layer_.product()), parts = (columns.count + most - 1) / most;
    for (int64_t i = 0; i < parts; ++i) {
      const Team::Range r = Team::share(columns.count, static_cast<int>(i), static_cast<int>(parts));
      phase.parts.push_back({r.begin, TRY(kind_for(isa, r.end - r.begin))});
    }
    for (int64_t row = 0; row < rows.count; ++row) lines_.push_back({phases_.size(), row});
    phases_.push_back(std::move(phase));
    return {};
  }

  Result<int> kind_for(Isa isa, int64_t count) {
    for (size_t i = 0; i < kinds_.size(); ++i) {
      if (kinds_[i].count == count) return static_cast<int>(i);
    }
    Kind kind{count, nullptr, nullptr};
    for (const bool last : {false, true}) {
      if (!last && layer_.panels() == 1) continue;
      MicrokernelSpec spec;
      spec.isa = isa;
      spec.rows = static_cast<int>(count);
      spec.columns = last ? static_cast<int>(conv::whole_halves(layer_.out_channels) - (layer_.panels() - 1) * kPanel) : kPanel;
      spec.panel_columns = kPanel;
      spec.batched = true;
      spec.product = layer_.product();
      spec.c_type = layer_.type;
      spec.a_rows = gemm::Rows::apart(static_cast<int32_t>(layer_.pixel_bytes()));
      spec.c_rows = gemm::Rows::apart(static_cast<int32_t>(layer_.stride_w * layer_.pixel_bytes()));
      spec.c_block_columns = static_cast<int>(kBlock);
      spec.k = std::min(layer_.in_channels, kBlock);
      if (layer_.in_channels > kBlock) spec.rest = rest_;
      if (!layer_.tail.program.steps.empty()) {
        spec.tail = layer_.tail.program;
        spec.operand_types = operands_.types();
      }
      (last ? kind.last : kind.whole) = TRY(Microkernel::make(spec));
    }
    kinds_.push_back(std::move(kind));
    return static_cast<int>(kinds_.size() - 1);
  }

  /// [C, M, taps] to panels of 32 outputs; in each the phases, and in a phase the k-steps in the order of the sum.
  Result<tactic::Packed> pack_weights(tactic::BuildContext& context) {
    const int64_t in = layer_.in_channels, out = layer_.out_channels, taps = layer_.taps, panels = layer_.panels();
    std::vector<std::vector<int64_t>> phase_taps;
    for (const Phase& p : phases_) {
      phase_taps.emplace_back();
      for (const Tap& r : p.rows->taps) {
        for (const Tap& c : p.columns->taps) phase_taps.back().push_back(r.kernel * layer_.kernel_w + c.kernel);
      }
    }
    const int64_t together = gemm::step_elements(layer_.product());
    // f(panel element, weight): the weight's index, or -1 for a column beyond the outputs or what fills up a step.
    const auto walk = [=](auto&& f) {
      int64_t at = 0;
      for (int64_t panel = 0; panel < panels; ++panel) {
        for (const std::vector<int64_t>& phase : phase_taps) {
          for (int64_t block = 0; block < in; block += kBlock) {
            for (const int64_t tap : phase) {
              for (int64_t first = block; first < std::min(in, block + kBlock); first += together) {
                for (int64_t o = panel * kPanel; o < (panel + 1) * kPanel; ++o) {
                  for (int64_t c = first; c < first + together; ++c) f(at++, o < out && c < in ? (c * out + o) * taps + tap : -1);
                }
              }
            }
          }
        }
      }
    };
    panel_bytes_ = layer_.in_steps() * taps * kPanel * 4;
    tactic::Packing packing;
    packing.recipe = fmt::format("conv_transpose/{}/n32", slipway::name(layer_.type));
    for (const std::vector<int64_t>& phase : phase_taps) {
      packing.recipe += '/';
      for (const int64_t tap : phase) packing.recipe += fmt::format(".{}", tap);
    }
    packing.bytes = static_cast<size_t>(panels * panel_bytes_);
    layer_.type == ElementType::bf16 ? set_packing<uint16_t>(packing, walk) : set_packing<float>(packing, walk);
    return context.pack(1, packing);
  }

  template <class Element, class Walk>
  static void set_packing(tactic::Packing& packing, const Walk& walk) {
    packing.pack = [walk](const Tensor& from, std::byte* to) {
      walk([&](int64_t at, int64_t weight) {
        reinterpret_cast<Element*>(to)[at] = weight < 0 ? Element{} : static_cast<const Element*>(from.data())[weight];
      });
    };
    packing.unpack = [walk](const std::byte* from, Tensor& to) {
      walk([&](int64_t at, int64_t weight) {
        if (weight >= 0) static_cast<Element*>(to.data())[weight] = reinterpret_cast<const Element*>(from)[at];
      });
    };
  }

  void run_line(const Exec& exec, const std::byte* image, int64_t n, int64_t panel, const Line& line) const {
    const Phase& phase = phases_[line.phase];
    const int64_t out_plane = layer_.out_h * layer_.out_w * kBlock, block = panel * 2;
    const std::byte* b = weights_.get() + panel * panel_bytes_ + phase.b_offset;
    const int64_t size = layer_.element_bytes(), pixel_bytes = layer_.pixel_bytes();
    const int64_t row = phase.rows->first + line.row * layer_.stride_h;
    MicrokernelArgs args;
    for (const auto& [first, kind] : phase.parts) {
      const int64_t pixel = row * layer_.out_w + phase.columns->first + first * layer_.stride_w;
      const int64_t offset = n * layer_.out_image() + block * out_plane + pixel * kBlock;
      args.a = image + (line.row * layer_.halo.padded_w() + first) * pixel_bytes;
      args.c = {static_cast<std::byte*>(exec.outputs[0]) + offset * size, layer_.stride_w * pixel_bytes, out_plane * size};
      for (size_t i = 0; i < operands_.size(); ++i) {
        args.operands[i + 1] = {operands_.at(exec, i, block * kBlock, offset), layer_.stride_w * pixel_bytes, out_plane * size};
      }
      args.b = b;
      args.a_offsets = phase.whole.data();
      args.batch = static_cast<int64_t>(phase.whole.size());
      args.rest_offsets = phase.rest.data();
      args.rest_batch = static_cast<int64_t>(phase.rest.size());
      const Kind& kernels = kinds_[static_cast<size_t>(kind)];
      (panel + 1 == layer_.panels() ? *kernels.last : *kernels.whole)(args);
    }
  }

  Layer layer_;
  int64_t rest_ = 0;  ///< input channels of the partial last block
  std::vector<Phase> phases_;
  std::vector<Line> lines_;
  std::vector<Kind> kinds_;
  tactic::Packed weights_;
  int64_t panel_bytes_ = 0;
  conv::TailOperands operands_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return tactic::Verdict::no(std::move(reason));
  const bool twice = layer.type == ElementType::bf16 && query.machine.isa >= Isa::avx512_bf16;
  const double flops_per_us = twice ? 150e3 : 80e3;
  const double flops =
      2.0 * static_cast<double>(query.inputs[0].dims.count()) * static_cast<double>(layer.out_blocks() * kBlock * layer.taps);
  return conv::blocked_verdict(query, layer.tail, Format::blocked16, 1 + flops / flops_per_us / query.machine.threads,
                               "direct, by phases");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return Error(ErrorCode::internal, reason);
  return ConvTransposeKernel::build(query, std::move(layer), context);
}

}  // namespace

tactic::TacticList conv_transpose_tactic() {
  return {{"x64.conv_transpose", Isa::avx2, {"ConvTranspose", "Group"}, judge, build}};
}

}  // namespace slipway::kernels

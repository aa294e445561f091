// Operators on 16-bit floats by the tactics that know fp32: inputs are widened into scratch, the kernel runs there, results are
// narrowed. Where leading axes are independent it goes chunk by chunk, so that what is widened stays in cache.
#include <algorithm>
#include <array>
#include <optional>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/convert/convert.hpp"
#include "ops/layer_normalization.hpp"
#include "ops/softmax.hpp"
#include "tactic/accepts.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using tactic::Format;
using tactic::TensorDesc;

constexpr std::string_view kName = "x64.widened";
constexpr size_t kMostOperands = 16;
constexpr size_t kReadableBytes = 4096;  ///< larger constants may be read by pack() alone
constexpr size_t kAlign = 64;
/// fp32 bytes of one chunk on one thread.
constexpr int64_t kChunkBytes = 256 << 10;

bool is_narrow(ElementType type) {
  return type == ElementType::f16 || type == ElementType::bf16;
}

size_t aligned(size_t bytes) {
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

int64_t elements(const TensorDesc& d, Format format) {
  return static_cast<int64_t>(tactic::buffer_bytes(ElementType::f32, d.dims, format) / sizeof(float));
}

Tensor widened(const Tensor& t, Isa isa) {
  Tensor wide(ElementType::f32, t.dims());
  convert::widen(t.type(), isa)(t.data(), wide.as<float>(), t.count());
  return wide;
}

/// The query as an fp32 tactic sees it, with the first axis that has an extent cut to `chunk` if given.
class WideQuery {
 public:
  explicit WideQuery(const tactic::Query& query, int axis = -1, int64_t chunk = 0) {
    constants_.reserve(query.inputs.size());
    for (const TensorDesc& d : query.inputs) inputs_.push_back(wide(d, query.machine.isa));
    for (const TensorDesc& d : query.outputs) outputs_.push_back(wide(d, query.machine.isa));
    if (axis >= 0) inputs_[0].dims[axis] = chunk;
    for (TensorDesc& d : outputs_) {
      if (axis >= 0) d.dims[axis] = chunk;
    }
    query_.emplace(tactic::Query{query.node, inputs_, outputs_, query.machine, query.options});
  }
  const tactic::Query& operator*() const { return *query_; }

 private:
  TensorDesc wide(TensorDesc d, Isa isa) {
    if (!is_narrow(d.type)) return d;
    if (d.constant != nullptr) {
      const Tensor& t = *d.constant;
      // Large ones are not read, only passed on to pack().
      constants_.push_back(t.bytes() <= kReadableBytes ? widened(t, isa) : Tensor(ElementType::f32, t.dims(), nullptr, t.data()));
      d.constant = &constants_.back();
    }
    d.type = ElementType::f32;
    return d;
  }

  std::vector<Tensor> constants_;
  std::vector<TensorDesc> inputs_, outputs_;
  std::optional<tactic::Query> query_;
};

struct Inner {
  const tactic::Tactic* tactic = nullptr;
  tactic::Verdict verdict;
};

Inner best_inner(const tactic::Query& query) {
  Inner best;
  double best_cost = 0;
  constexpr double kReorderBytesPerUs = 4e3;
  for (const tactic::Tactic& t : all()) {
    if (t.name == kName || t.name == "ref" || t.isa > query.machine.isa || !tactic::lists(t, *query.node.op)) continue;
    tactic::Verdict verdict = t.judge(query);
    if (!verdict.accepted || verdict.is_view) continue;
    double cost = verdict.cost_us;
    for (size_t i = 0; i < query.inputs.size(); ++i) {
      const TensorDesc& in = query.inputs[i];
      if (in.absent() || in.constant != nullptr || verdict.input(i) == in.format) continue;
      cost += static_cast<double>(byte_size(in.type, in.dims.count())) / kReorderBytesPerUs;
    }
    if (best.tactic == nullptr || cost < best_cost) best = {&t, std::move(verdict)}, best_cost = cost;
  }
  return best;
}

/// Leading axes along which slices of input 0 give slices of the outputs.
int independent_axes(const tactic::Query& query) {
  const int rank = query.inputs[0].dims.rank();
  const auto before = [&](int64_t axis) { return static_cast<int>(axis < 0 ? axis + rank : axis); };
  const std::string_view op = query.node.op->name;
  if (op == "Softmax" || op == "LogSoftmax") return before(query.node.attrs.as<ops::SoftmaxAttrs>().axis);
  if (op == "LayerNormalization" || op == "RMSNormalization") {
    return before(query.node.attrs.as<ops::LayerNormalizationAttrs>().axis);
  }
  if (op == "MaxPool" && query.outputs.size() > 1) return 0;  // indices count through the whole input
  if (op == "MaxPool" || op == "AveragePool" || op == "GlobalMaxPool" || op == "GlobalAveragePool") return 2;
  if (op == "InstanceNormalization" || op == "GroupNormalization") return 1;
  return 0;
}

/// The axis to cut and how much of it makes a chunk.
struct Cut {
  int axis = -1;
  int64_t extent = 1, chunk = 1;
};

Cut cut_of(const tactic::Query& query, const tactic::Verdict& verdict) {
  const Dims& x = query.inputs[0].dims;
  const int most = std::min(independent_axes(query), x.rank());
  int axis = 0;
  while (axis < most && x[axis] == 1) ++axis;
  if (axis >= most) return {};
  for (const TensorDesc& d : query.outputs) {
    if (!d.absent() && (d.dims.rank() <= axis || d.dims.count(0, axis) != 1 || d.dims[axis] != x[axis])) return {};
  }
  for (size_t i = 1; i < query.inputs.size(); ++i) {
    const Dims& d = query.inputs[i].dims;
    if (query.has(i) && d.rank() == x.rank() && d[axis] != 1) return {};
  }
  if (axis > 0 && (verdict.input(0) != Format::plain || verdict.output(0) != Format::plain)) return {};
  const int64_t each =
      4 * (elements(query.inputs[0], verdict.input(0)) + elements(query.outputs[0], verdict.output(0))) / x[axis];
  const int64_t chunk = std::max<int64_t>(1, kChunkBytes * query.machine.threads / std::max<int64_t>(each, 1));
  if (chunk >= x[axis]) return {};
  return {axis, x[axis], chunk};
}

/// Packs what the inner kernel asks for from the 16-bit constants.
class WideContext final : public tactic::BuildContext {
 public:
  WideContext(tactic::BuildContext& outer, const tactic::Query& narrow) : outer_(outer), narrow_(narrow) {}

  Result<tactic::Packed> pack(size_t i, const tactic::Packing& packing) override {
    if (!is_narrow(narrow_.inputs[i].type)) return outer_.pack(i, packing);
    tactic::Packing wide = packing;
    wide.recipe = fmt::format("{}/of {}", packing.recipe, name(narrow_.inputs[i].type));
    wide.unpack = nullptr;
    wide.pack = [pack = packing.pack, isa = narrow_.machine.isa](const Tensor& from, std::byte* to) {
      pack(widened(from, isa), to);
    };
    packed[i] = true;
    return outer_.pack(i, wide);
  }
  void book_scratch(size_t bytes) override { scratch = std::max(scratch, bytes); }

  size_t scratch = 0;
  std::array<bool, kMostOperands> packed{};

 private:
  tactic::BuildContext& outer_;
  const tactic::Query& narrow_;
};

struct Operand {
  bool present = false, narrow = false, cut = false;
  int64_t chunk_elements = 0, all_elements = 0;  ///< a chunk's, and those of the whole tensor
  int width = 4;
  size_t scratch = 0;     ///< where its fp32 form stands
  tactic::Packed packed;  ///< of constants: their fp32 form
  convert::Widen widen = nullptr;
  convert::Narrow narrowed = nullptr;
};

class WidenedKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const Inner& inner,
                                                       tactic::BuildContext& context) {
    std::unique_ptr<WidenedKernel> kernel(new WidenedKernel);
    Cut cut = cut_of(query, inner.verdict);
    WideContext wide(context, query);
    if (cut.axis >= 0) {
      auto whole = kernel_of(query, inner, cut.axis, cut.chunk, wide);
      const int64_t rest = cut.extent % cut.chunk;
      auto last = rest == 0 ? Result<std::unique_ptr<tactic::Kernel>>(nullptr) : kernel_of(query, inner, cut.axis, rest, wide);
      if (whole && last && *whole != nullptr && (rest == 0 || *last != nullptr)) {
        kernel->whole_ = std::move(*whole);
        kernel->last_ = std::move(*last);
      } else {
        cut = {};
      }
    }
    if (cut.axis < 0) kernel->whole_ = TRY(kernel_of(query, inner, -1, 0, wide));
    if (kernel->whole_ == nullptr) return Error(ErrorCode::internal, "the fp32 kernel no longer accepts");
    kernel->cut_ = cut;
    TRY(kernel->place(query, inner.verdict, wide, context));
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    const int64_t chunks = cut_.axis < 0 ? 1 : (cut_.extent + cut_.chunk - 1) / cut_.chunk;
    for (int64_t c = 0; c < chunks; ++c) {
      const int64_t at = c * cut_.chunk, count = std::min(cut_.chunk, cut_.extent - at);
      std::array<void*, kMostOperands> in{}, out{};
      for (size_t i = 0; i < inputs_.size(); ++i) in[i] = input(exec, inputs_[i], exec.inputs[i], at, c);
      for (size_t i = 0; i < outputs_.size(); ++i) out[i] = output(exec, outputs_[i], exec.outputs[i], at);
      auto widen = [&](int thread, int threads) {
        for (size_t i = 0; i < inputs_.size(); ++i) widen_share(inputs_[i], exec.inputs[i], in[i], at, count, c, thread, threads);
      };
      exec.team.run(widen);
      const tactic::Kernel& kernel = last_ != nullptr && count < cut_.chunk ? *last_ : *whole_;
      const Fault fault = kernel.run({in.data(), out.data(), exec.scratch, exec.team, exec.fault_text});
      if (fault != Fault::none) return fault;
      auto narrow = [&](int thread, int threads) {
        for (size_t i = 0; i < outputs_.size(); ++i)
          narrow_share(outputs_[i], out[i], exec.outputs[i], at, count, thread, threads);
      };
      exec.team.run(narrow);
    }
    return Fault::none;
  }

  std::string describe() const override {
    const std::string inner = whole_->describe();
    return fmt::format("{}{}{}", name_, inner.empty() ? "" : ", ", inner);
  }

 private:
  static Result<std::unique_ptr<tactic::Kernel>> kernel_of(const tactic::Query& query, const Inner& inner, int axis,
                                                           int64_t chunk, WideContext& context) {
    const WideQuery wide(query, axis, chunk);
    const tactic::Verdict verdict = axis < 0 ? inner.verdict : inner.tactic->judge(*wide);
    if (!verdict.accepted || verdict.input(0) != inner.verdict.input(0) || verdict.output(0) != inner.verdict.output(0)) {
      return std::unique_ptr<tactic::Kernel>();
    }
    return inner.tactic->build(*wide, verdict, context);
  }

  Operand operand(const TensorDesc& d, Format format, bool first, Isa isa, size_t& scratch) const {
    Operand o;
    o.present = !d.absent();
    if (!o.present) return o;
    o.narrow = is_narrow(d.type);
    o.width = bits(d.type) / 8;
    o.all_elements = elements(d, format);
    o.cut = first && cut_.axis >= 0;
    o.chunk_elements = o.cut ? o.all_elements / cut_.extent * cut_.chunk : o.all_elements;
    if (!o.narrow) return o;
    o.widen = convert::widen(d.type, isa);
    o.narrowed = convert::narrow(d.type, isa);
    o.scratch = scratch;
    scratch += aligned(static_cast<size_t>(o.chunk_elements) * sizeof(float));
    return o;
  }

  Status place(const tactic::Query& query, const tactic::Verdict& verdict, const WideContext& wide,
               tactic::BuildContext& context) {
    size_t scratch = aligned(wide.scratch);
    const Isa isa = query.machine.isa;
    for (size_t i = 0; i < query.inputs.size(); ++i) {
      const TensorDesc& d = query.inputs[i];
      const bool constant = d.constant != nullptr && is_narrow(d.type);
      size_t none = 0;
      inputs_.push_back(operand(d, verdict.input(i), i == 0, isa, constant ? none : scratch));
      if (!constant || wide.packed[i]) {
        if (constant) inputs_.back().present = false;
        continue;
      }
      tactic::Packing packing;
      packing.recipe = fmt::format("f32/of {}", name(d.type));
      packing.bytes = static_cast<size_t>(d.dims.count()) * sizeof(float);
      packing.pack = [isa](const Tensor& from, std::byte* to) {
        convert::widen(from.type(), isa)(from.data(), reinterpret_cast<float*>(to), from.count());
      };
      inputs_.back().packed = TRY(context.pack(i, packing));
    }
    for (size_t i = 0; i < query.outputs.size(); ++i)
      outputs_.push_back(operand(query.outputs[i], verdict.output(i), true, isa, scratch));
    context.book_scratch(scratch);
    return {};
  }

  void* input(const Exec& exec, const Operand& o, void* given, int64_t at, int64_t) const {
    if (o.packed != nullptr) return const_cast<std::byte*>(o.packed.get());
    if (!o.present || given == nullptr) return nullptr;
    return output(exec, o, given, at);
  }
  void* output(const Exec& exec, const Operand& o, void* given, int64_t at) const {
    if (!o.present) return nullptr;
    if (o.narrow) return exec.scratch + o.scratch;
    return static_cast<std::byte*>(given) + (o.cut ? at * (o.all_elements / cut_.extent) * o.width : 0);
  }

  /// Elements of one thread's share of a chunk, in pieces that no two threads write one cache line of.
  static Team::Range share(int64_t elements, int thread, int threads) {
    constexpr int64_t kPiece = 32;
    const Team::Range r = Team::share((elements + kPiece - 1) / kPiece, thread, threads);
    return {std::min(elements, r.begin * kPiece), std::min(elements, r.end * kPiece)};
  }
  int64_t first_of(const Operand& o, int64_t at) const { return o.cut ? at * (o.all_elements / cut_.extent) : 0; }
  int64_t count_of(const Operand& o, int64_t count) const {
    return o.cut ? count * (o.all_elements / cut_.extent) : o.all_elements;
  }

  void widen_share(const Operand& o, const void* from, void* to, int64_t at, int64_t count, int64_t chunk, int thread,
                   int threads) const {
    if (!o.narrow || !o.present || o.packed != nullptr || from == nullptr || (!o.cut && chunk > 0)) return;
    const Team::Range r = share(count_of(o, count), thread, threads);
    o.widen(static_cast<const uint16_t*>(from) + first_of(o, at) + r.begin, static_cast<float*>(to) + r.begin, r.end - r.begin);
  }
  void narrow_share(const Operand& o, const void* from, void* to, int64_t at, int64_t count, int thread, int threads) const {
    if (!o.narrow || !o.present) return;
    const Team::Range r = share(count_of(o, count), thread, threads);
    o.narrowed(static_cast<const float*>(from) + r.begin, static_cast<uint16_t*>(to) + first_of(o, at) + r.begin,
               r.end - r.begin);
  }

  WidenedKernel() = default;
  Cut cut_;
  std::vector<Operand> inputs_, outputs_;
  std::unique_ptr<tactic::Kernel> whole_, last_;
  std::string name_ = "through fp32";
};

tactic::Verdict judge(const tactic::Query& query) {
  if (query.inputs.size() > kMostOperands || query.outputs.size() > kMostOperands)
    return tactic::Verdict::no("too many operands");
  double narrow = 0;
  for (const auto& list : {query.inputs, query.outputs}) {
    for (const TensorDesc& d : list) {
      if (d.type == ElementType::f64 || d.type == ElementType::string) return tactic::Verdict::no("other types beside it");
      if (is_narrow(d.type) && d.constant == nullptr) narrow += static_cast<double>(d.dims.count());
    }
  }
  if (narrow == 0) return tactic::Verdict::no("no 16-bit floats");
  const WideQuery wide(query);
  const Inner inner = best_inner(*wide);
  if (inner.tactic == nullptr) return tactic::Verdict::no("no fp32 tactic accepts");
  constexpr double kElementsPerUs = 4e3;
  tactic::Verdict verdict = inner.verdict;
  verdict.cost_us += 0.5 + narrow / kElementsPerUs / query.machine.threads;
  verdict.in_place = -1;
  verdict.reason = fmt::format("{} in fp32", inner.tactic->name);
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict& promised,
                                              tactic::BuildContext& context) {
  const WideQuery wide(query);
  Inner inner = best_inner(*wide);
  if (inner.tactic == nullptr) return Error(ErrorCode::internal, "no fp32 tactic accepts any more");
  for (size_t i = 0; i < query.outputs.size(); ++i) {
    if (inner.verdict.output(i) != promised.output(i)) return Error(ErrorCode::internal, "another format than promised");
  }
  return WidenedKernel::build(query, inner, context);
}

}  // namespace

tactic::TacticList widened_tactic() {
  return {{kName,
           Isa::avx2,
           {"Conv",
            "ConvTranspose",
            "MatMul",
            "Gemm",
            "Attention",
            "LSTM",
            "GRU",
            "Softmax",
            "LogSoftmax",
            "LayerNormalization",
            "RMSNormalization",
            "InstanceNormalization",
            "GroupNormalization",
            "MaxPool",
            "AveragePool",
            "GlobalMaxPool",
            "GlobalAveragePool",
            "Resize",
            "ReduceL1",
            "ReduceL2",
            "ReduceMax",
            "ReduceMean",
            "ReduceMin",
            "ReduceSum",
            "ReduceSumSquare",
            "ReduceProd",
            "ArgMax",
            "ArgMin",
            "TopK",
            "CumSum",
            "LpNormalization",
            "Pow",
            "Sin",
            "Cos"},
           judge,
           build}};
}

}  // namespace slipway::kernels

// Elementwise operators and groups as one jitted loop, in whatever format the largest input stands.
//
// blocked16 takes full operands, one value a channel ([N or 1, C, 1, ...]), one value a pixel ([N or 1, 1, spatial...], read
// plain) and scalars; plain takes any broadcasting.
#include <algorithm>
#include <cstring>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/conv/channels.hpp"
#include "kernels/x64/eltwise/iteration.hpp"
#include "kernels/x64/eltwise/tail.hpp"
#include "ops/group.hpp"
#include "ops/quantize.hpp"

namespace slipway::kernels {
namespace {

using eltwise::EltwiseProgram;
using eltwise::Iteration;
using eltwise::kMaxOperands;
using eltwise::Spread;
using tactic::Exec;
using tactic::Fault;
using tactic::Format;
using tactic::TensorDesc;

constexpr int64_t kBlock = 16;

/// How a constant is laid out anew for a blocked16 result.
enum class Repack : uint8_t { none, channels, blocked };

struct Operand {
  size_t input = 0;
  Format wanted = Format::plain;
  Repack repack = Repack::none;
  std::vector<bool> present;  ///< one per axis of the layout
  bool whole = false;         ///< has the result's shape
};

struct Work {
  EltwiseProgram program;
  std::vector<Operand> operands;
  std::vector<int64_t> extents;  ///< the result's axes as they lie in memory
  Format format = Format::plain;

  std::string name() const { return fmt::format("{} steps, {}", program.steps.size(), tactic::name(format)); }
};

/// A constant of one element becomes part of the code.
bool is_immediate(const TensorDesc& d) {
  return d.constant != nullptr && d.dims.count() == 1;
}

/// Makes operands of the inputs that the body reads; value numbers per node input, -1 for immediates and absent ones.
bool read_operands(const tactic::Query& query, Work& work, std::vector<int>& value_of_input, std::string& reason) {
  value_of_input.assign(query.inputs.size(), -1);
  for (size_t i = 0; i < query.inputs.size(); ++i) {
    const TensorDesc& d = query.inputs[i];
    if (d.absent() || is_immediate(d)) continue;
    if (!eltwise::is_lane_type(d.type)) return reason = fmt::format("no lanes of {}", name(d.type)), false;
    if (work.operands.size() == kMaxOperands) return reason = "too many operands", false;
    value_of_input[i] = static_cast<int>(work.operands.size());
    Operand operand;
    operand.input = i;
    work.operands.push_back(std::move(operand));
  }
  if (work.operands.empty()) return reason = "every input is a constant", false;
  // Spreads are known later; any will do for the steps.
  work.program.operands.assign(work.operands.size(), Spread::full);
  for (const Operand& o : work.operands) work.program.types.push_back(query.inputs[o.input].type);
  return true;
}

bool append_body(const tactic::Query& query, const std::vector<int>& value_of_input, Work& work, std::string& reason) {
  uint8_t result = 0;
  const auto no_code = [&](const ir::Node& node) { return reason = fmt::format("no code for this {}", node.op->name), false; };
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group == nullptr) {
    std::vector<const Tensor*> constants;
    for (const TensorDesc& d : query.inputs) constants.push_back(d.constant);
    return eltwise::append_node(work.program, {query.node, value_of_input, constants, query.outputs[0].type}, result) ||
           no_code(query.node);
  }
  const ir::Graph& body = *group->body;
  std::vector<int> value_of(body.value_count(), -1);
  std::vector<const Tensor*> constant_of(body.value_count(), nullptr);
  for (size_t i = 0; i < body.inputs().size(); ++i) {
    value_of[body.inputs()[i]] = value_of_input[i];
    constant_of[body.inputs()[i]] = query.inputs[i].constant;
  }
  for (ir::NodeId id = 0; id < body.node_slots(); ++id) {
    const ir::Node& node = body.node(id);
    std::vector<int> values;
    std::vector<const Tensor*> constants;
    for (ir::ValueId v : node.inputs) {
      values.push_back(v == ir::kNone ? -1 : value_of[v]);
      const bool constant = v != ir::kNone && body.value(v).is_constant();
      constants.push_back(v == ir::kNone ? nullptr : constant ? &body.value(v).constant : constant_of[v]);
    }
    if (work.program.steps.size() > 200 || node.outputs.size() != 1) return reason = "too long a group", false;
    const ElementType type = body.value(node.outputs[0]).fact.type;
    if (!eltwise::append_node(work.program, {node, values, constants, type}, result)) return no_code(node);
    value_of[node.outputs[0]] = result;
  }
  return true;
}

/// The axis along which scales and zero points of a quantisation change.
int quantised_axis(const tactic::Query& query) {
  const int64_t axis = query.is("QuantizeLinear") ? query.node.attrs.as<ops::QuantizeAttrs>().axis
                                                  : query.node.attrs.as<ops::DequantizeAttrs>().axis;
  return static_cast<int>(axis < 0 ? axis + query.outputs[0].dims.rank() : axis);
}

/// Whether input i is a list of scales or zero points.
bool along_axis(const tactic::Query& query, size_t i) {
  if (i == 0 || !query.has(i) || (!query.is("QuantizeLinear") && !query.is("DequantizeLinear"))) return false;
  return query.inputs[i].dims.rank() == 1 && query.inputs[i].dims.count() > 1;
}

/// Each operand's axes in a plain result. Always possible.
void lie_plain(const tactic::Query& query, Work& work) {
  const Dims& result = query.outputs[0].dims;
  work.format = Format::plain;
  work.extents.assign(result.begin(), result.end());
  for (Operand& o : work.operands) {
    const Dims& dims = query.inputs[o.input].dims;
    o.wanted = Format::plain;
    o.repack = Repack::none;
    o.present.assign(static_cast<size_t>(result.rank()), false);
    o.whole = dims == result;
    if (along_axis(query, o.input)) {
      o.present[static_cast<size_t>(quantised_axis(query))] = true;
      continue;
    }
    for (int i = result.rank() - dims.rank(); i < result.rank(); ++i) {
      o.present[static_cast<size_t>(i)] = dims[i - (result.rank() - dims.rank())] == result[i];
    }
  }
}

/// The same for N, channel blocks, pixels, lanes (blocked16) or N, pixels, channels (channels_last). False where an operand does
/// not fit.
bool lie_by_channels(const tactic::Query& query, Format format, Work& work) {
  const Dims& result = query.outputs[0].dims;
  if (result.rank() < 3) return false;
  const bool blocked = format == Format::blocked16;
  const int64_t pixels = result.count(2, result.rank());
  work.format = format;
  if (blocked) {
    work.extents = {result[0], (result[1] + kBlock - 1) / kBlock, pixels, kBlock};
  } else {
    work.extents = {result[0], pixels, result[1]};
  }
  for (Operand& o : work.operands) {
    const TensorDesc& in = query.inputs[o.input];
    if (in.dims.rank() > result.rank()) return false;
    Dims dims = Dims::of_rank(result.rank());
    const int lead = result.rank() - in.dims.rank();
    for (int i = lead; i < result.rank(); ++i) dims[i] = in.dims[i - lead];
    bool no_pixels = true, all_pixels = true;
    for (int i = 2; i < result.rank(); ++i) {
      no_pixels = no_pixels && dims[i] == 1;
      all_pixels = all_pixels && dims[i] == result[i];
    }
    const bool batch = dims[0] == result[0], channels = dims[1] == result[1];
    if ((!no_pixels && !all_pixels) || (!batch && dims[0] != 1)) return false;
    const bool has_pixels = all_pixels && pixels > 1;
    o.whole = in.dims == result;
    o.present =
        blocked ? std::vector<bool>{batch, channels, has_pixels, channels} : std::vector<bool>{batch, has_pixels, channels};
    o.wanted = Format::plain;
    o.repack = Repack::none;
    // One value a pixel or none: plain is right. A result of one channel in blocked16 is whole blocks all the same.
    if (!channels) continue;
    if (in.dims.count() == 1) {
      if (!blocked) continue;
      o.present = {false, false, false, false};
    } else if (in.constant != nullptr && blocked) {
      if (in.type != ElementType::f32) return false;
      if (!o.whole && (has_pixels || in.dims.count() != result[1])) return false;
      o.repack = o.whole && pixels * result[0] > 1 ? Repack::blocked : Repack::channels;
      if (o.repack == Repack::channels) o.present = {false, true, false, true};
    } else if (lead == 0) {
      o.wanted = format;
    } else if (blocked || has_pixels) {
      return false;
    }
  }
  return true;
}

bool read_work(const tactic::Query& query, Work& work, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  if (group != nullptr && group->kind != "eltwise") return reason = "not an elementwise group", false;
  if (query.outputs[0].dims.count() == 0) return reason = "empty", false;
  std::vector<int> value_of_input;
  if (!read_operands(query, work, value_of_input, reason) || !append_body(query, value_of_input, work, reason)) return false;
  Format format = Format::plain;
  int64_t largest = 0;
  for (const Operand& o : work.operands) {
    const TensorDesc& in = query.inputs[o.input];
    if (in.constant != nullptr || in.dims.count() <= largest) continue;
    largest = in.dims.count();
    format = in.format;
  }
  const bool scaled = along_axis(query, 1) || along_axis(query, 2);
  if (format == Format::plain || scaled || !lie_by_channels(query, format, work)) lie_plain(query, work);
  return true;
}

Iteration iteration_of(const Work& work) {
  std::vector<int64_t> widths;
  for (size_t i = 0; i < work.operands.size(); ++i) widths.push_back(bits(work.program.type(i)) / 8);
  widths.push_back(bits(work.program.result_type()) / 8);
  Iteration iteration(std::move(widths));
  for (size_t axis = 0; axis < work.extents.size(); ++axis) {
    std::vector<bool> present;
    for (const Operand& o : work.operands) present.push_back(o.present[axis]);
    iteration.axis(work.extents[axis], present);
  }
  iteration.finish();
  return iteration;
}

class EltwiseKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, Work work, tactic::BuildContext& context) {
    Iteration iteration = iteration_of(work);
    work.program.operands = iteration.spreads();
    auto code = TRY(eltwise::Kernel::make(query.machine.isa, work.program));
    std::unique_ptr<EltwiseKernel> kernel(new EltwiseKernel(std::move(iteration), std::move(code)));
    kernel->recipe_ = work.name();
    for (const Operand& o : work.operands) {
      tactic::Packed packed;
      if (o.repack != Repack::none) packed = TRY(context.pack(o.input, packing_of(o.repack, query.outputs[0].dims)));
      kernel->sources_.push_back({o.input, std::move(packed)});
    }
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    std::array<const std::byte*, kMaxOperands> operands{};
    for (size_t i = 0; i < sources_.size(); ++i) {
      const Source& s = sources_[i];
      operands[i] = s.packed != nullptr ? s.packed.get() : static_cast<const std::byte*>(exec.inputs[s.input]);
    }
    auto* out = static_cast<std::byte*>(exec.outputs[0]);
    auto task = [&](int thread, int threads) { iteration_.run(*code_, operands, out, thread, threads); };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override { return recipe_; }

 private:
  struct Source {
    size_t input;
    tactic::Packed packed;
  };

  EltwiseKernel(Iteration iteration, std::shared_ptr<const eltwise::Kernel> code)
      : iteration_(std::move(iteration)), code_(std::move(code)) {}

  static tactic::Packing packing_of(Repack repack, const Dims& result) {
    const int64_t channels = result[1], padded = (channels + kBlock - 1) / kBlock * kBlock;
    if (repack == Repack::channels) return conv::pack_channels(channels);
    tactic::Packing packing;
    const int64_t pixels = result.count(2, result.rank());
    const auto place = [=](int64_t i) {
      const int64_t n = i / (channels * pixels), c = i / pixels % channels;
      return (n * padded + c / kBlock * kBlock) * pixels + i % pixels * kBlock + c % kBlock;
    };
    packing.recipe = "blocked16/f32";
    packing.bytes = static_cast<size_t>(result[0] * padded * pixels) * sizeof(float);
    packing.pack = [=, bytes = packing.bytes](const Tensor& from, std::byte* to) {
      std::memset(to, 0, bytes);
      for (int64_t i = 0; i < from.count(); ++i) reinterpret_cast<float*>(to)[place(i)] = from.as<float>()[i];
    };
    packing.unpack = [=](const std::byte* from, Tensor& to) {
      for (int64_t i = 0; i < to.count(); ++i) to.as<float>()[i] = reinterpret_cast<const float*>(from)[place(i)];
    };
    return packing;
  }

  Iteration iteration_;
  std::shared_ptr<const eltwise::Kernel> code_;
  std::vector<Source> sources_;
  std::string recipe_;
};

tactic::Verdict judge(const tactic::Query& query) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return tactic::Verdict::no(std::move(reason));
  constexpr double kBytesPerUs = 20e3, kOperationsPerUs = 3e3;
  const auto elements = static_cast<double>(query.outputs[0].dims.count());
  const ElementType type = query.outputs[0].type;
  auto bytes = static_cast<double>(byte_size(type, query.outputs[0].dims.count()));
  tactic::Verdict verdict = tactic::Verdict::yes(0, work.name());
  verdict.inputs.assign(query.inputs.size(), Format::plain);
  verdict.outputs = {work.format};
  for (const Operand& o : work.operands) {
    const TensorDesc& in = query.inputs[o.input];
    bytes += static_cast<double>(byte_size(in.type, in.dims.count()));
    verdict.inputs[o.input] = o.wanted;
    const bool same_place = o.whole && o.wanted == work.format && bits(in.type) == bits(type);
    if (verdict.in_place < 0 && same_place && in.constant == nullptr) {
      verdict.in_place = static_cast<int>(o.input);
    }
  }
  const double compute = elements / kBlock * work.program.cost() / kOperationsPerUs;
  verdict.cost_us = 0.3 + std::max(bytes / kBytesPerUs, compute) / query.machine.threads;
  return verdict;
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict& verdict,
                                              tactic::BuildContext& context) {
  Work work;
  std::string reason;
  if (!read_work(query, work, reason)) return Error(ErrorCode::internal, reason);
  // The inputs may stand in another format now than when judged: what was promised holds.
  if (verdict.output(0) == Format::plain) {
    lie_plain(query, work);
  } else if (!lie_by_channels(query, verdict.output(0), work)) {
    return Error(ErrorCode::internal, "an elementwise group no longer fits its format");
  }
  return EltwiseKernel::build(query, std::move(work), context);
}

}  // namespace

tactic::TacticList eltwise_tactic() {
  return {{"x64.eltwise",
           Isa::avx2,
           {"Group",
            "Neg",
            "Abs",
            "Reciprocal",
            "Sqrt",
            "Floor",
            "Ceil",
            "Round",
            "Sign",
            "Exp",
            "Log",
            "Tanh",
            "Sigmoid",
            "Erf",
            "Softplus",
            "Relu",
            "Mish",
            "HardSwish",
            "LeakyRelu",
            "Elu",
            "Swish",
            "HardSigmoid",
            "Gelu",
            "Clip",
            "Pow",
            "Add",
            "Sub",
            "Mul",
            "Div",
            "Min",
            "Max",
            "PRelu",
            "Cast",
            "Where",
            "Not",
            "And",
            "Or",
            "Xor",
            "Equal",
            "Less",
            "LessOrEqual",
            "Greater",
            "GreaterOrEqual",
            "BitwiseAnd",
            "BitwiseOr",
            "BitwiseXor",
            "BitwiseNot",
            "IsNaN",
            "IsInf",
            "QuantizeLinear",
            "DequantizeLinear"},
           judge,
           build}};
}

}  // namespace slipway::kernels

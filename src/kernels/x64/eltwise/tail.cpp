#include "kernels/x64/eltwise/tail.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "ops/group.hpp"

namespace slipway::eltwise {

Lie lie_of(const Dims& operand, const Dims& result, int channel_axis) {
  if (operand.count() == 1) return Lie::scalar;
  if (operand == result) return Lie::full;
  const int lead = result.rank() - operand.rank();
  if (lead < 0) return Lie::other;
  for (int i = 0; i < result.rank(); ++i) {
    const int64_t extent = i < lead ? 1 : operand[i - lead];
    if (extent != (i == channel_axis ? result[i] : 1)) return Lie::other;
  }
  return Lie::channel;
}

tactic::Packing pack_channels(ElementType type, int64_t channels, int64_t padded) {
  tactic::Packing packing;
  packing.recipe = fmt::format("channels/{}/{}", name(type), padded);
  packing.bytes = static_cast<size_t>(padded) * sizeof(float);
  packing.pack = [type, channels, padded](const Tensor& from, std::byte* to) {
    auto* out = reinterpret_cast<float*>(to);
    for (int64_t i = 0; i < padded; ++i) out[i] = i < channels ? static_cast<float>(load_double(from.data(), type, i)) : 0.0f;
  };
  packing.unpack = [type](const std::byte* from, Tensor& to) {
    for (int64_t i = 0; i < to.count(); ++i) store_double(to.data(), type, i, reinterpret_cast<const float*>(from)[i]);
  };
  return packing;
}

std::vector<ElementType> Tail::operand_types() const {
  std::vector<ElementType> types{ElementType::f32};
  for (const TailOperand& o : operands) types.push_back(o.type);
  return types;
}

bool read_tail(const tactic::Query& query, int channel_axis, bool bias_input, Tail& out, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  const Dims& result = query.outputs[0].dims;
  const auto add_operand = [&](size_t input, uint8_t& value) {
    const ElementType type = query.inputs[input].type;
    if (type != ElementType::f32 && type != ElementType::bf16)
      return reason = "an operand of the tail is neither f32 nor bf16", false;
    const Dims& dims = query.inputs[input].dims;
    const bool per_channel =
        input == 2 && bias_input && dims.rank() == 1 && dims[0] == result[channel_axis];  // Conv's bias is [C]
    const Lie lie = per_channel ? Lie::channel : lie_of(dims, result, channel_axis);
    if (lie == Lie::other)
      return reason = "an operand of the tail neither has the output's shape nor is one value a channel", false;
    if (out.operands.size() + 2 > kMaxOperands) return reason = "too many operands in the tail", false;
    value = out.program.operand(lie == Lie::full ? Spread::full : lie == Lie::channel ? Spread::column : Spread::scalar);
    out.operands.push_back({input, lie, type});
    return true;
  };
  const auto find_input = [](const ir::Graph& body, ir::ValueId v) {
    const auto at = std::find(body.inputs().begin(), body.inputs().end(), v);
    return at == body.inputs().end() ? -1 : static_cast<int>(at - body.inputs().begin());
  };
  out.main = group == nullptr ? &query.node : &group->body->node(0);
  // Operands come before any step: gather them first.
  uint8_t bias = 0;
  const bool has_bias = bias_input && out.main->inputs.size() > 2 && out.main->inputs[2] != ir::kNone;
  if (has_bias && !add_operand(2, bias)) return false;
  std::vector<std::vector<int>> values;
  if (group != nullptr) {
    const ir::Graph& body = *group->body;
    for (ir::NodeId id = 1; id < body.node_slots(); ++id) {
      values.emplace_back();
      for (ir::ValueId v : body.node(id).inputs) {
        const int input = v == ir::kNone ? -1 : find_input(body, v);
        uint8_t operand = 0;
        if (input >= 0 && !add_operand(static_cast<size_t>(input), operand)) return false;
        values.back().push_back(input >= 0 ? operand : -1);
      }
    }
  }
  uint8_t last = 0;
  if (has_bias) last = out.program.step(Fn::add, 0, bias);
  if (group == nullptr) return true;
  const ir::Graph& body = *group->body;
  ir::ValueId previous = body.node(0).outputs[0];
  for (ir::NodeId id = 1; id < body.node_slots(); ++id) {
    const ir::Node& node = body.node(id);
    std::vector<int>& sources = values[id - 1];
    std::vector<const Tensor*> constants(node.inputs.size(), nullptr);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == ir::kNone) continue;
      if (node.inputs[i] == previous) sources[i] = last;
      if (body.value(node.inputs[i]).is_constant()) constants[i] = &body.value(node.inputs[i]).constant;
    }
    if (!append_node(out.program, {node, sources, constants}, last)) {
      reason = std::string("no code for ") + std::string(node.op->name) + " in a tail";
      return false;
    }
    previous = node.outputs[0];
  }
  return true;
}

}  // namespace slipway::eltwise

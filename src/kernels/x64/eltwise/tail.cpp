#include "kernels/x64/eltwise/tail.hpp"

#include <algorithm>
#include <limits>

#include "ops/activation.hpp"
#include "ops/gelu.hpp"
#include "ops/group.hpp"

namespace slipway::eltwise {
namespace {

struct Named {
  std::string_view op;
  Fn fn;
};
constexpr Named kUnary[] = {
    {"Neg", Fn::neg},
    {"Abs", Fn::abs},
    {"Reciprocal", Fn::reciprocal},
    {"Sqrt", Fn::sqrt},
    {"Floor", Fn::floor},
    {"Ceil", Fn::ceil},
    {"Round", Fn::round_even},
    {"Sign", Fn::sign},
    {"Exp", Fn::exp},
    {"Log", Fn::log},
    {"Tanh", Fn::tanh},
    {"Sigmoid", Fn::sigmoid},
    {"Erf", Fn::erf},
    {"Softplus", Fn::softplus},
    {"Relu", Fn::relu},
    {"HardSwish", Fn::hard_swish},
    {"Mish", Fn::mish},
};
constexpr Named kBinary[] = {
    {"Add", Fn::add}, {"Sub", Fn::sub}, {"Mul", Fn::mul},     {"Div", Fn::div},
    {"Min", Fn::min}, {"Max", Fn::max}, {"PRelu", Fn::prelu},
};

bool scalar_constant(const Tensor* t, float& value) {
  if (t == nullptr || t->type() != ElementType::f32 || t->count() != 1) return false;
  value = *t->as<float>();
  return true;
}

}  // namespace

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

bool append_node(EltwiseProgram& program, const ir::Node& node, const std::vector<int>& values,
                 const std::vector<const Tensor*>& constants, uint8_t& result) {
  if (!node.op->domain.empty() || values.empty()) return false;
  const auto source = [&](size_t i, uint8_t& v) {
    if (i >= values.size()) return false;
    float immediate = 0;
    if (values[i] >= 0) return v = static_cast<uint8_t>(values[i]), true;
    if (!scalar_constant(constants[i], immediate)) return false;
    v = program.step(Fn::constant, 0, 0, immediate);
    return true;
  };
  uint8_t x = 0, y = 0;
  if (!source(0, x)) return false;
  const std::string_view op = node.op->name;
  for (const Named& row : kUnary) {
    if (row.op == op) return result = program.step(row.fn, x), true;
  }
  for (const Named& row : kBinary) {
    if (row.op != op) continue;
    if (values.size() != 2) break;
    return source(1, y) && (result = program.step(row.fn, x, y), true);
  }
  if (op == "Pow") {
    float exponent = 0;
    if (values[1] >= 0 || !scalar_constant(constants[1], exponent)) return false;
    if (exponent == 2) return result = program.step(Fn::square, x), true;
    if (exponent == 0.5f) return result = program.step(Fn::sqrt, x), true;
    return false;
  }
  if (op == "LeakyRelu") return result = program.step(Fn::leaky_relu, x, 0, node.attrs.as<ops::LeakyReluAttrs>().alpha), true;
  if (op == "Elu") return result = program.step(Fn::elu, x, 0, node.attrs.as<ops::EluAttrs>().alpha), true;
  if (op == "Swish") return result = program.step(Fn::silu, x, 0, node.attrs.as<ops::SwishAttrs>().alpha), true;
  if (op == "HardSigmoid") {
    const auto& a = node.attrs.as<ops::HardSigmoidAttrs>();
    return result = program.step(Fn::hard_sigmoid, x, 0, a.alpha, a.beta), true;
  }
  if (op == "Gelu") {
    const bool erf = node.attrs.as<ops::GeluAttrs>().approximate == "none";
    return result = program.step(erf ? Fn::gelu : Fn::gelu_tanh, x), true;
  }
  if (op == "Clip") {
    float low = -std::numeric_limits<float>::infinity(), high = std::numeric_limits<float>::infinity();
    const auto bound = [&](size_t i, float& b) {
      return i >= node.inputs.size() || node.inputs[i] == ir::kNone || (values[i] < 0 && scalar_constant(constants[i], b));
    };
    if (!bound(1, low) || !bound(2, high)) return false;
    return result = program.step(Fn::clip, x, 0, low, high), true;
  }
  return false;
}

bool read_tail(const tactic::Query& query, int channel_axis, bool bias_input, Tail& out, std::string& reason) {
  const ops::GroupAttrs* group = ops::group_of(query.node);
  const Dims& result = query.outputs[0].dims;
  const auto add_operand = [&](size_t input, uint8_t& value) {
    if (query.inputs[input].type != ElementType::f32) return reason = "an operand of the tail is not f32", false;
    const Dims& dims = query.inputs[input].dims;
    const bool per_channel =
        input == 2 && bias_input && dims.rank() == 1 && dims[0] == result[channel_axis];  // Conv's bias is [C]
    const Lie lie = per_channel ? Lie::channel : lie_of(dims, result, channel_axis);
    if (lie == Lie::other)
      return reason = "an operand of the tail neither has the output's shape nor is one value a channel", false;
    if (out.operands.size() + 2 > kMaxOperands) return reason = "too many operands in the tail", false;
    value = out.program.operand(lie == Lie::full ? Spread::full : lie == Lie::channel ? Spread::column : Spread::scalar);
    out.operands.push_back({input, lie});
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
    if (!append_node(out.program, node, sources, constants, last)) {
      reason = std::string("no code for ") + std::string(node.op->name) + " in a tail";
      return false;
    }
    previous = node.outputs[0];
  }
  return true;
}

}  // namespace slipway::eltwise

#include "passes/fuse.hpp"

#include <algorithm>

#include "ops/group.hpp"
#include "ops/registry.hpp"

namespace slipway::passes {
namespace {

constexpr std::string_view kTailUnary[] = {"Relu", "LeakyRelu",   "Clip",      "Sigmoid", "Tanh",
                                           "Elu",  "HardSigmoid", "HardSwish", "Swish",   "Gelu"};
constexpr std::string_view kTailBinary[] = {"Add", "Sub", "Mul", "Div", "Max", "Min"};
constexpr std::string_view kEltwiseMore[] = {
    "Pow",  "Abs",  "Neg",      "Exp",      "Log",   "Sqrt", "Reciprocal", "Erf", "Mish", "ThresholdedRelu",
    "Selu", "Celu", "Softplus", "Softsign", "Floor", "Ceil", "Sin",        "Cos"};

/// Of any type that fits a lane of 32 bits.
constexpr std::string_view kTyped[] = {"Cast",           "Where", "Equal", "Less", "LessOrEqual", "Greater",
                                       "GreaterOrEqual", "And",   "Or",    "Xor",  "Not"};
constexpr std::string_view kTypedFloat[] = {"Add", "Sub",  "Mul",        "Div", "Max",  "Min",      "Abs",   "Neg", "Exp",
                                            "Log", "Sqrt", "Reciprocal", "Erf", "Mish", "Softplus", "Floor", "Ceil"};
constexpr std::string_view kTypedInteger[] = {"Add", "Sub",  "Mul",        "Max",       "Min",       "Abs",
                                              "Neg", "Relu", "BitwiseAnd", "BitwiseOr", "BitwiseXor"};

template <size_t N>
bool one_of(const ir::Node& node, const std::string_view (&names)[N]) {
  return node.op->domain == "" && std::find(std::begin(names), std::end(names), node.op->name) != std::end(names);
}

/// Throughout f32, or throughout bf16.
bool one_float(const Site& site, const ir::Node& node) {
  if (node.outputs.empty() || node.outputs[0] == ir::kNone) return false;
  const ir::Fact& result = site.fact(node.outputs[0]);
  if (!is_f32(result) && !is_bf16(result)) return false;
  const auto fits = [&](ir::ValueId v) {
    return v == ir::kNone || (site.fact(v).is_tensor() && site.fact(v).type == result.type);
  };
  return std::all_of(node.inputs.begin(), node.inputs.end(), fits) && std::all_of(node.outputs.begin(), node.outputs.end(), fits);
}

bool fits_lane(ElementType type) {
  return type == ElementType::boolean || ((is_float(type) || is_integer(type)) && bits(type) >= 8 && bits(type) <= 32 &&
                                          type != ElementType::u32 && !contains(type_sets::kFloat8, type));
}

bool in_lanes(const Site& site, const ir::Node& node) {
  const auto fits = [&](ir::ValueId v) { return v == ir::kNone || fits_lane(site.fact(v).type) || scalar(site, v); };
  return std::all_of(node.inputs.begin(), node.inputs.end(), fits) && std::all_of(node.outputs.begin(), node.outputs.end(), fits);
}

/// The bounds of a Clip must be known.
bool constant_parameters(const Site& site, const ir::Node& node) {
  return std::all_of(node.inputs.begin() + 1, node.inputs.end(),
                     [&](ir::ValueId v) { return v == ir::kNone || scalar(site, v); });
}

/// Constants that stay in the body: one element, or integers that steer an operator.
bool belongs_inside(const ir::ValueInfo& value, bool data) {
  if (!value.is_constant()) return false;
  return (!data && value.constant.count() == 1) || (is_integer(value.constant.type()) && value.constant.dims().rank() <= 1);
}

}  // namespace

GroupBuilder::GroupBuilder(const ir::Graph& graph, Operands operands) : graph_(graph), operands_(operands) {
  body_.symbols = graph.symbols;
}

ir::ValueId GroupBuilder::operand(ir::ValueId outer, Role role) {
  if (outer == ir::kNone) return ir::kNone;
  const auto known = inside_.find(outer);
  if (known != inside_.end()) return known->second;
  const ir::ValueInfo& value = graph_.value(outer);
  const std::string name = body_.unique_name(value.name);
  if (belongs_inside(value, role == Role::main)) return inside_[outer] = body_.add_constant(name, value.constant);
  inputs_.push_back(outer);
  const ir::ValueId input = body_.add_input(name, value.fact);
  if (operands_ == Operands::one_input_per_value) inside_[outer] = input;
  return input;
}

void GroupBuilder::add(ir::NodeId id, Role role) {
  const ir::Node& node = graph_.node(id);
  ir::Node copy{node.op, node.name, node.attrs, {}, {}, ir::kNone};
  for (ir::ValueId v : node.inputs) copy.inputs.push_back(operand(v, role));
  for (ir::ValueId v : node.outputs) {
    copy.outputs.push_back(v == ir::kNone ? v : body_.add_value(body_.unique_name(graph_.value(v).name), graph_.value(v).fact));
    if (v != ir::kNone) inside_[v] = copy.outputs.back();
  }
  body_.add_node(std::move(copy));
}

Result<ir::ValueId> GroupBuilder::finish(ir::Patch& patch, std::string kind, std::string name, ir::ValueId result) {
  body_.add_output(inside_.at(result), graph_.value(result).name);
  ops::GroupAttrs attrs{std::move(kind), std::make_shared<const ir::Graph>(std::move(body_))};
  return patch.add(ops::get("Group", ops::kInternalDomain), std::move(attrs), inputs_, 1, std::move(name));
}

bool is_tail_unary(const Site& site, const ir::Node& node) {
  return one_of(node, kTailUnary) && one_float(site, node) && constant_parameters(site, node);
}

bool is_tail_binary(const Site& site, const ir::Node& node) {
  return one_of(node, kTailBinary) && node.inputs.size() == 2 && one_float(site, node);
}

bool is_eltwise(const Site& site, const ir::Node& node) {
  if (node.op == nullptr || node.outputs.size() != 1 || node.inputs.empty()) return false;
  if (is_tail_unary(site, node) || is_tail_binary(site, node)) return true;
  if (one_of(node, kEltwiseMore) && is_f32(site.fact(node.outputs[0])) && one_float(site, node)) return true;
  if (!in_lanes(site, node)) return false;
  const ElementType from = site.fact(node.inputs[0]).type, to = site.fact(node.outputs[0]).type;
  if (one_of(node, kTyped)) return !(node.is("Cast") && from == ElementType::i32 && to == ElementType::bf16);
  if (node.is("Pow") && is_float(from)) return scalar(site, node.inputs[1]).has_value();
  if (is_float(from)) return (one_of(node, kTailUnary) && constant_parameters(site, node)) || one_of(node, kTypedFloat);
  return one_of(node, kTypedInteger) && node.inputs.size() <= 2;
}

std::string_view main_kind(const Site& site, const ir::Node& node) {
  if (node.op == nullptr || !one_float(site, node)) return {};
  if (node.is("Conv")) return "conv";
  if (node.is("ConvTranspose")) return "conv_transpose";
  if (node.is("MatMul")) return "matmul";
  if (node.is("Gemm")) return "gemm";
  return {};
}

}  // namespace slipway::passes

#include "ops/onnx_node.hpp"

#include "base/format.hpp"
#include "base/low_precision.hpp"
#include "ops/registry.hpp"

namespace slipway::ops {

ir::AttrValue OnnxNode::take(std::string_view attr) {
  const auto at = attrs.find(std::string(attr));
  if (at == attrs.end()) return {};
  ir::AttrValue value = std::move(at->second);
  attrs.erase(at);
  return value;
}

namespace {
template <class T>
T take_or(OnnxNode& node, std::string_view attr, T otherwise) {
  const ir::AttrValue value = node.take(attr);
  const T* held = std::get_if<T>(&value);
  return held != nullptr ? *held : otherwise;
}
}  // namespace

std::vector<int64_t> OnnxNode::take_ints(std::string_view attr) {
  return take_or<std::vector<int64_t>>(*this, attr, {});
}
int64_t OnnxNode::take_int(std::string_view attr, int64_t otherwise) {
  return take_or<int64_t>(*this, attr, otherwise);
}
float OnnxNode::take_float(std::string_view attr, float otherwise) {
  return take_or<float>(*this, attr, otherwise);
}
std::string OnnxNode::take_string(std::string_view attr, std::string otherwise) {
  return take_or<std::string>(*this, attr, std::move(otherwise));
}

void OnnxNode::set_input(size_t i, ir::ValueId value) {
  if (inputs.size() <= i) inputs.resize(i + 1, ir::kNone);
  inputs[i] = value;
}

// The importer makes node names unique, so the count of values is all that tells helpers apart; a search would make the import
// of a long model quadratic.
ir::ValueId OnnxNode::constant(Tensor tensor) {
  return graph->add_constant(fmt::format("{}.constant_{}", name, graph->value_count()), std::move(tensor));
}

const ir::Fact& OnnxNode::fact(size_t i) const {
  static const ir::Fact kNothing;
  return i < inputs.size() && inputs[i] != ir::kNone ? graph->value(inputs[i]).fact : kNothing;
}

void OnnxNode::ints_to_input(std::string_view attr, size_t i) {
  if (!has(attr)) return;
  set_input(i, constant(Tensor::vector(take_ints(attr))));
}

void OnnxNode::float_to_input(std::string_view attr, size_t i) {
  if (!has(attr)) return;
  const ElementType type = fact(0).type;
  Tensor scalar(is_float(type) || is_integer(type) ? type : ElementType::f32, {});
  store_double(scalar.data(), scalar.type(), 0, take_float(attr, 0));
  set_input(i, constant(std::move(scalar)));
}

Result<ir::ValueId> OnnxNode::emit(std::string_view op, ir::Attrs op_attrs, std::vector<ir::ValueId> op_inputs, size_t outputs) {
  const Op* found = get(op);
  TRY(check_arity(*found, op_inputs, outputs));
  std::vector<const Fact*> input_facts;
  for (ir::ValueId v : op_inputs) input_facts.push_back(v == ir::kNone ? nullptr : &graph->value(v).fact);
  TRY(check_types(*found, input_facts));
  const ir::NodeId id = graph->add_node(found, fmt::format("{}.{}_{}", name, op, graph->value_count()), std::move(op_attrs),
                                        std::move(op_inputs), outputs);
  std::vector<Fact> facts = TRY(ir::infer_node(*graph, graph->node(id)));
  const std::vector<ir::ValueId> made = graph->node(id).outputs;
  for (size_t i = 0; i < made.size(); ++i) graph->value(made[i]).fact = facts[i];
  return made[0];
}

}  // namespace slipway::ops

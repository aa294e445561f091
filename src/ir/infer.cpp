#include <algorithm>

#include "base/format.hpp"
#include "ir/graph.hpp"

namespace slipway::ir {

std::optional<std::vector<int64_t>> InferContext::ints(size_t i) const {
  const Tensor* t = value(i);
  if (t == nullptr) return std::nullopt;
  return to_int64s(*t);
}

namespace {
std::string label(const Node& node) { return fmt::format("in node '{}' ({})", node.name, node.op->name); }
}  // namespace

Result<std::vector<Fact>> infer_node(const Graph& graph, const Node& node) {
  std::vector<const Fact*> facts(node.declared_inputs(), nullptr);
  std::vector<const Tensor*> values(node.declared_inputs(), nullptr);
  for (size_t i = 0; i < facts.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    const ValueInfo& v = graph.value(node.inputs[i]);
    facts[i] = &v.fact;
    if (v.is_constant()) values[i] = &v.constant;
  }
  InferContext context(node.attrs, facts, values, node.outputs.size());
  Status done = node.op->infer(context);
  if (!done) return std::move(done).error().with(label(node));
  return std::move(context).take();
}

Status infer_all(Graph& graph) {
  for (NodeId id : TRY(graph.topological())) {
    const Node& node = graph.node(id);
    std::vector<Fact> facts = TRY(infer_node(graph, node));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNone) continue;
      ValueInfo& value = graph.value(node.outputs[i]);
      if (!compatible(value.fact, facts[i])) {
        return fail(ErrorCode::invalid_model, "value '{}' is declared {} but its operator gives {}", value.name,
                    to_string(value.fact, &graph.symbols), to_string(facts[i], &graph.symbols))
            .with(label(node));
      }
      value.fact = merge(value.fact, facts[i]);
    }
  }
  return {};
}

Status verify(const Graph& graph) {
  for (NodeId id : TRY(graph.topological())) {
    const Node& node = graph.node(id);
    const auto declared = static_cast<int>(node.declared_inputs()), outputs = static_cast<int>(node.outputs.size());
    if (declared < node.op->min_inputs || (node.op->max_inputs >= 0 && declared > node.op->max_inputs) ||
        outputs < node.op->min_outputs || (node.op->max_outputs >= 0 && outputs > node.op->max_outputs)) {
      return fail(ErrorCode::invalid_model, "{} takes {}..{} inputs and {}..{} outputs, here are {} and {}", node.op->name,
                  node.op->min_inputs, node.op->max_inputs, node.op->min_outputs, node.op->max_outputs, declared, outputs)
          .with(label(node));
    }
    if (node.attrs.type() != node.op->attrs) {
      return fail(ErrorCode::internal, "the attributes are of another operator's type").with(label(node));
    }
    for (ValueId v : node.inputs) {
      if (v != kNone && v >= graph.value_count()) return fail(ErrorCode::internal, "input id {} out of range", v).with(label(node));
    }
    for (ValueId v : node.outputs) {
      if (v == kNone) continue;
      if (v >= graph.value_count() || graph.value(v).producer != id) {
        return fail(ErrorCode::internal, "output {} has another producer", v).with(label(node));
      }
    }
    const std::vector<Fact> facts = TRY(infer_node(graph, node));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNone && !compatible(graph.value(node.outputs[i]).fact, facts[i])) {
        return fail(ErrorCode::invalid_model, "output '{}' is recorded as {} but inferred as {}", graph.value(node.outputs[i]).name,
                    to_string(graph.value(node.outputs[i]).fact, &graph.symbols), to_string(facts[i], &graph.symbols))
            .with(label(node));
      }
    }
  }
  for (ValueId v : graph.outputs()) {
    if (v >= graph.value_count()) return fail(ErrorCode::internal, "graph output id {} out of range", v);
    const ValueInfo& value = graph.value(v);
    const bool is_input = std::find(graph.inputs().begin(), graph.inputs().end(), v) != graph.inputs().end();
    if (value.producer == kNone && !value.is_constant() && !is_input) {
      return fail(ErrorCode::invalid_model, "graph output '{}' is not produced by any node", value.name);
    }
  }
  return {};
}

}  // namespace slipway::ir

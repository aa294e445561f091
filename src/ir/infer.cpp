#include <algorithm>

#include "base/format.hpp"
#include "ir/infer_body.hpp"

namespace slipway::ir {

std::optional<std::vector<int64_t>> InferContext::ints(size_t i) const {
  const Tensor* t = value(i);
  if (t == nullptr) return std::nullopt;
  return to_int64s(*t);
}

namespace {

std::string label(const Node& node) {
  return fmt::format("in node '{}' ({})", node.name, node.op->name);
}

/// Ids in range, counts within the operator's, no required input absent: what every infer function relies on.
Status check_ports(const Graph& graph, const Node& node) {
  const auto bad = [&](ValueId v) { return v != kNone && v >= graph.value_count(); };
  if (std::any_of(node.inputs.begin(), node.inputs.end(), bad) || std::any_of(node.outputs.begin(), node.outputs.end(), bad) ||
      node.declared_inputs() > node.inputs.size()) {
    return fail(ErrorCode::internal, "a value id is out of range").with(label(node));
  }
  const auto declared = static_cast<int>(node.declared_inputs()), outputs = static_cast<int>(node.outputs.size());
  const OpInfo& op = *node.op;
  if (declared < op.min_inputs || (op.max_inputs >= 0 && declared > op.max_inputs) || outputs < op.min_outputs ||
      (op.max_outputs >= 0 && outputs > op.max_outputs)) {
    const auto range = [](int least, int most) {
      return most < 0 ? fmt::format("{} or more", least) : fmt::format("{} to {}", least, most);
    };
    return fail(ErrorCode::invalid_model, "{} takes {} inputs and gives {} outputs, here are {} and {}", op.name,
                range(op.min_inputs, op.max_inputs), range(op.min_outputs, op.max_outputs), declared, outputs)
        .with(label(node));
  }
  for (int i = 0; i < op.min_inputs; ++i) {
    const bool optional = i < 32 && ((op.optional_inputs >> i) & 1) != 0;
    if (!optional && node.inputs[static_cast<size_t>(i)] == kNone) {
      return fail(ErrorCode::invalid_model, "the required input {} is missing", i).with(label(node));
    }
  }
  if (node.attrs.type() != op.attrs)
    return fail(ErrorCode::internal, "the attributes are of another operator's type").with(label(node));
  return {};
}

/// infer_node with the facts and known values (null: unknown) of the node's inputs from elsewhere.
template <class FactOf, class ConstantOf>
Result<std::vector<Fact>> infer_with(const Graph& graph, const Node& node, const FactOf& fact_of, const ConstantOf& constant_of) {
  TRY(check_ports(graph, node));
  std::vector<const Fact*> facts(node.declared_inputs(), nullptr);
  std::vector<const Tensor*> values(node.declared_inputs(), nullptr);
  for (size_t i = 0; i < facts.size(); ++i) {
    if (node.inputs[i] == kNone) continue;
    facts[i] = &fact_of(node.inputs[i]);
    values[i] = constant_of(node.inputs[i]);
  }
  InferContext context(node.attrs, facts, values, node.outputs.size());
  Status done = node.op->infer(context);
  if (!done) return std::move(done).error().with(label(node));
  return std::move(context).take();
}

const Tensor* constant_of(const Graph& graph, ValueId v) {
  const ValueInfo& value = graph.value(v);
  return value.is_constant() ? &value.constant : nullptr;
}

}  // namespace

Result<std::vector<Fact>> infer_node(const Graph& graph, const Node& node) {
  return infer_with(
      graph, node, [&](ValueId v) -> const Fact& { return graph.value(v).fact; },
      [&](ValueId v) { return constant_of(graph, v); });
}

Result<std::vector<Fact>> infer_body(const Graph& body, std::span<const Fact* const> inputs,
                                     std::span<const Tensor* const> values) {
  std::vector<const Fact*> facts(body.value_count(), nullptr);
  std::vector<const Tensor*> known(body.value_count(), nullptr);
  for (ValueId v = 0; v < body.value_count(); ++v) {
    facts[v] = &body.value(v).fact;
    known[v] = constant_of(body, v);
  }
  for (size_t i = 0; i < body.inputs().size(); ++i) {
    facts[body.inputs()[i]] = inputs[i];
    if (values[i] != nullptr) known[body.inputs()[i]] = values[i];
  }
  std::vector<std::vector<Fact>> made;  // what `facts` points to
  made.reserve(body.node_slots());
  for (NodeId id : TRY(body.topological())) {
    const Node& node = body.node(id);
    made.push_back(TRY(infer_with(
        body, node, [&](ValueId v) -> const Fact& { return *facts[v]; }, [&](ValueId v) { return known[v]; })));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] != kNone) facts[node.outputs[i]] = &made.back()[i];
    }
  }
  std::vector<Fact> out;
  for (ValueId v : body.outputs()) out.push_back(*facts[v]);
  return out;
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
  std::vector<bool> available(graph.value_count(), false);  // without a producing node: inputs and constants
  for (ValueId v : graph.inputs()) {
    if (v >= graph.value_count()) return fail(ErrorCode::internal, "graph input id {} out of range", v);
    available[v] = true;
  }
  for (ValueId v = 0; v < graph.value_count(); ++v) {
    if (graph.value(v).is_constant() || graph.value(v).producer != kNone) available[v] = true;
  }
  for (NodeId id = 0; id < graph.node_slots(); ++id) {
    const Node& node = graph.node(id);
    if (!node.alive()) continue;
    TRY(check_ports(graph, node));
    for (ValueId v : node.outputs) {
      if (v != kNone && graph.value(v).producer != id) {
        return fail(ErrorCode::internal, "output '{}' has another producer", graph.value(v).name).with(label(node));
      }
    }
    for (ValueId v : node.inputs) {
      if (v != kNone && !available[v]) {
        return fail(ErrorCode::invalid_model, "input '{}' is not produced by any node", graph.value(v).name).with(label(node));
      }
    }
  }
  for (ValueId v : graph.outputs()) {
    if (v >= graph.value_count()) return fail(ErrorCode::internal, "graph output id {} out of range", v);
    if (available[v]) continue;
    return fail(ErrorCode::invalid_model, "graph output '{}' is not produced by any node", graph.value(v).name);
  }
  for (NodeId id : TRY(graph.topological())) {
    const Node& node = graph.node(id);
    const std::vector<Fact> facts = TRY(infer_node(graph, node));
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNone) continue;
      const ValueInfo& output = graph.value(node.outputs[i]);
      if (!compatible(output.fact, facts[i])) {
        return fail(ErrorCode::invalid_model, "output '{}' is recorded as {} but inferred as {}", output.name,
                    to_string(output.fact, &graph.symbols), to_string(facts[i], &graph.symbols))
            .with(label(node));
      }
    }
  }
  return {};
}

}  // namespace slipway::ir

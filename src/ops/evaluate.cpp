#include "ops/evaluate.hpp"

#include "ops/moves.hpp"
#include "ops/registry.hpp"

namespace slipway::ops {
namespace {

/// What comes out of sequences, optionals and sub-graphs may differ from what was declared: kinds and types are checked here, so
/// that no reference reads one type as another.
Status check_values(const Op& op, std::span<const Value* const> inputs) {
  std::vector<Fact> facts(inputs.size());
  std::vector<const Fact*> present(inputs.size(), nullptr);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Port* port = op.input_port(i);
    if (inputs[i] == nullptr || port == nullptr) continue;
    if (port->kind == Fact::Kind::tensor && inputs[i]->tensor() == nullptr) {
      return fail(ErrorCode::data_fault, "input {} ('{}') must be a tensor, here it is a sequence, a map or nothing", i,
                  port->name);
    }
    facts[i] = fact_of(*inputs[i]);
    present[i] = &facts[i];
  }
  return check_types(op, present);
}

}  // namespace

Result<std::vector<Value>> evaluate_node(const ir::Graph&, const ir::Node& node, std::span<const Value* const> inputs,
                                         const GraphRunner& runner) {
  const Op& op = op_of(node);
  if (!op.has_reference()) return fail(ErrorCode::unsupported, "operator {} has no reference kernel", op.name);
  Status sound = check_values(op, inputs.first(std::min(inputs.size(), node.declared_inputs())));
  if (!sound) return std::move(sound).error().with(fmt::format("in node '{}' ({})", node.name, op.name));
  std::vector<Value> outputs(node.outputs.size());
  RefContext context(node, inputs, outputs, runner);
  Status done = op.run_reference(context);
  if (!done) return std::move(done).error().with(fmt::format("in node '{}' ({})", node.name, op.name));
  return outputs;
}

Result<std::vector<Value>> evaluate(const ir::Graph& graph, std::span<const Value> inputs,
                                    const std::function<void(ir::ValueId, const Value&)>& tap) {
  if (inputs.size() != graph.inputs().size()) {
    return fail(ErrorCode::invalid_argument, "graph '{}' takes {} inputs, {} were given", graph.name, graph.inputs().size(),
                inputs.size());
  }
  std::vector<Value> values(graph.value_count());
  std::vector<uint32_t> uses(graph.value_count(), 0);
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    if (graph.value(v).is_constant()) values[v] = Value(graph.value(v).constant);
  }
  for (size_t i = 0; i < inputs.size(); ++i) values[graph.inputs()[i]] = inputs[i];
  const std::vector<ir::NodeId> order = TRY(graph.topological());
  for (ir::NodeId id : order) {
    for (ir::ValueId v : graph.node(id).inputs) {
      if (v != ir::kNone) ++uses[v];
    }
  }
  for (ir::ValueId v : graph.outputs()) ++uses[v];
  for (ir::NodeId id : order) {
    const ir::Node& node = graph.node(id);
    std::vector<const Value*> arguments;
    for (ir::ValueId v : node.inputs) arguments.push_back(v == ir::kNone ? nullptr : &values[v]);
    std::vector<Value> outputs = TRY(evaluate_node(graph, node, arguments, reference_runner()));
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (node.outputs[i] == ir::kNone) continue;
      if (tap) tap(node.outputs[i], outputs[i]);
      values[node.outputs[i]] = std::move(outputs[i]);
    }
    for (ir::ValueId v : node.inputs) {
      if (v != ir::kNone && --uses[v] == 0) values[v] = Value();
    }
  }
  std::vector<Value> results;
  for (ir::ValueId v : graph.outputs()) results.push_back(values[v]);
  return results;
}

const GraphRunner& reference_runner() {
  static const GraphRunner runner = [](const ir::Graph& graph, std::span<const Value> inputs) { return evaluate(graph, inputs); };
  return runner;
}

}  // namespace slipway::ops

// Operators that stand for a graph of others (ops/function.hpp) give way to it.
#include "ops/function.hpp"

#include "ops/registry.hpp"
#include "passes/pass.hpp"

namespace slipway::passes {
namespace {

Result<ir::Graph> body_of(const Site& site, ops::BodyBuilder build) {
  const size_t inputs = site.node.inputs.size();
  std::vector<const ir::Fact*> facts(inputs, nullptr);
  std::vector<const Tensor*> values(inputs, nullptr);
  for (size_t i = 0; i < inputs; ++i) {
    facts[i] = site.input(i);
    values[i] = site.constant_input(i);
  }
  return ops::body_graph(build, site.node.attrs, facts, values, site.node.outputs.size());
}

/// Copies the body beside the graph; the values that stand for its outputs.
Result<std::vector<ir::ValueId>> inlined(const ir::Graph& body, const Site& site, ir::Patch& patch) {
  std::vector<ir::ValueId> there(body.value_count(), ir::kNone);
  size_t next = 0;
  for (ir::ValueId v : site.node.inputs) {
    if (v != ir::kNone) there[body.inputs()[next++]] = v;
  }
  for (ir::NodeId id : TRY(body.topological())) {
    ir::Node copy = body.node(id);
    for (ir::ValueId& v : copy.inputs) {
      if (v == ir::kNone) continue;
      if (there[v] == ir::kNone) there[v] = patch.constant(body.value(v).constant);
      v = there[v];
    }
    copy.name = site.node.name + "." + copy.name;
    const std::vector<ir::ValueId> made = TRY(patch.add(std::move(copy)));
    for (size_t i = 0; i < made.size(); ++i) {
      const ir::ValueId output = body.node(id).outputs[i];
      if (output != ir::kNone) there[output] = made[i];
    }
  }
  std::vector<ir::ValueId> outputs;
  for (ir::ValueId v : body.outputs()) {
    if (there[v] == ir::kNone) there[v] = patch.constant(body.value(v).constant);
    outputs.push_back(there[v]);
  }
  return outputs;
}

Result<Answer> visit(const Site& site) {
  const ops::BodyBuilder build = ops::body_of(*site.node.op);
  if (build == nullptr) return not_mine();
  const Result<ir::Graph> body = body_of(site, build);
  if (!body) return declined(body.error().message);
  ir::Patch patch(site.graph);
  const std::vector<ir::ValueId> outputs = TRY(inlined(*body, site, patch));
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (site.node.outputs[i] != ir::kNone) patch.replace(site.node.outputs[i], outputs[i]);
  }
  return Answer(std::move(patch));
}

}  // namespace

Pass function_bodies() {
  return {"function_bodies", "operators that stand for a graph of others give way to it", visit};
}

}  // namespace slipway::passes

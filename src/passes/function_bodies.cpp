// Operators that stand for a graph of others (ops/function.hpp) give way to it.
#include "ops/function.hpp"

#include "ops/registry.hpp"
#include "passes/inline.hpp"
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

Result<Answer> visit(const Site& site) {
  const ops::BodyBuilder build = ops::body_of(*site.node.op);
  if (build == nullptr) return not_mine();
  const Result<ir::Graph> body = body_of(site, build);
  if (!body) return declined(body.error().message);
  std::vector<ir::ValueId> arguments;
  for (ir::ValueId v : site.node.inputs) {
    if (v != ir::kNone) arguments.push_back(v);
  }
  ir::Patch patch(site.graph);
  const std::vector<ir::ValueId> outputs = TRY(inlined(patch, *body, arguments, site.node.name + "."));
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

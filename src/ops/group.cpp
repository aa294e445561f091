// The fused group: its meaning is its body.
#include "ops/group.hpp"

#include "ops/reference.hpp"

namespace slipway::ops {
namespace {

Status infer_group(InferContext& c) {
  const GroupAttrs& group = c.attrs<GroupAttrs>();
  if (!group.body) return Error(ErrorCode::invalid_model, "a group needs a body");
  if (group.body->inputs().size() != c.input_count() || group.body->outputs().size() != c.output_count()) {
    return fail(ErrorCode::invalid_model, "the group's body takes {} inputs and gives {} outputs, the node has {} and {}",
                group.body->inputs().size(), group.body->outputs().size(), c.input_count(), c.output_count());
  }
  ir::Graph body = *group.body;
  for (ir::NodeId id = 0; id < body.node_slots(); ++id) {
    for (ir::ValueId v : body.node(id).outputs) {
      if (v != ir::kNone) body.value(v).fact = Fact();
    }
  }
  for (size_t i = 0; i < c.input_count(); ++i) {
    if (!c.has_input(i)) return Error(ErrorCode::invalid_model, "a group cannot have absent inputs");
    ir::ValueInfo& value = body.value(body.inputs()[i]);
    value.fact = c.input(i);
    if (c.value(i) != nullptr) value.constant = *c.value(i);
  }
  Status inferred = ir::infer_all(body);
  if (!inferred) return inferred;
  for (size_t i = 0; i < body.outputs().size(); ++i) c.set(i, body.value(body.outputs()[i]).fact);
  return {};
}

Status run_group(RefContext& c) {
  std::vector<Value> arguments;
  for (size_t i = 0; i < c.input_count(); ++i) arguments.push_back(c.value(i));
  std::vector<Value> results = TRY(c.call(*c.attrs<GroupAttrs>().body, std::move(arguments)));
  for (size_t i = 0; i < results.size(); ++i) c.set(i, std::move(results[i]));
  return {};
}

}  // namespace

OpFamily group() {
  OpFamily family;
  family.push_back(Op("Group", {1}, kInternalDomain)
                       .attrs<GroupAttrs>()
                       .in_list("inputs", kAll, 0, 0)
                       .out_list("outputs", kAll, 0)
                       .flag(ir::OpInfo::kGroup)
                       .tolerance(Tolerance::rounding)
                       .infer(infer_group)
                       .reference(run_group)
                       .doc("A fused group: runs its body graph."));
  return family;
}

}  // namespace slipway::ops

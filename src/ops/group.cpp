// The fused group: its meaning is its body.
#include "ops/group.hpp"

#include "ir/infer_body.hpp"
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
  std::vector<const Fact*> facts;
  std::vector<const Tensor*> values;
  for (size_t i = 0; i < c.input_count(); ++i) {
    if (!c.has_input(i)) return Error(ErrorCode::invalid_model, "a group cannot have absent inputs");
    facts.push_back(&c.input(i));
    values.push_back(c.value(i));
  }
  std::vector<Fact> outputs = TRY(ir::infer_body(*group.body, facts, values));
  for (size_t i = 0; i < outputs.size(); ++i) c.set(i, std::move(outputs[i]));
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

// An If whose condition is a constant gives way to the branch it takes.
#include "ops/control.hpp"
#include "passes/inline.hpp"
#include "passes/pass.hpp"

namespace slipway::passes {
namespace {

Result<Answer> visit(const Site& site) {
  if (!site.node.is("If")) return not_mine();
  const Tensor* condition = site.constant_input(0);
  if (condition == nullptr || condition->count() != 1) return not_mine();
  const auto& attrs = site.node.attrs.as<ops::IfAttrs>();
  const bool taken = to_int64s(*condition)[0] != 0;
  const ir::GraphRef branch = taken ? attrs.then_branch : attrs.else_branch;
  const size_t captures = site.node.inputs.size() - site.node.declared_inputs();
  if (!branch || branch->inputs().size() != captures || branch->outputs().size() < site.node.outputs.size()) return not_mine();

  const std::span<const ir::ValueId> captured = std::span(site.node.inputs).subspan(site.node.declared_inputs());
  ir::Patch patch(site.graph);
  const std::vector<ir::ValueId> outputs = TRY(inlined(patch, *branch, captured, site.node.name + "."));
  for (size_t i = 0; i < site.node.outputs.size(); ++i) {
    if (site.node.outputs[i] != ir::kNone) patch.replace(site.node.outputs[i], outputs[i]);
  }
  return Answer(std::move(patch));
}

}  // namespace

Pass decided_if() {
  return {"decided_if", "an If with a constant condition gives way to its branch", visit};
}

}  // namespace slipway::passes

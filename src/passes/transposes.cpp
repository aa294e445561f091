// Transposes that undo each other go, also across elementwise nodes between them; those that move extents of 1 only are reshapes;
// a Gemm reads its operands either way.
#include <algorithm>

#include "ops/gemm.hpp"
#include "ops/registry.hpp"
#include "ops/reshape.hpp"
#include "ops/transpose.hpp"
#include "passes/match.hpp"

namespace slipway::passes {
namespace {

using Perm = std::vector<int>;

std::optional<Perm> perm_of(const Site& site, const ir::Node& node) {
  const ir::Fact& fact = site.fact(node.inputs[0]);
  if (!node.is("Transpose") || !has_rank(fact)) return std::nullopt;
  Perm perm = ops::permutation(node.attrs.as<ops::TransposeAttrs>(), static_cast<int>(fact.shape->size()));
  return perm.size() == fact.shape->size() ? std::optional(perm) : std::nullopt;
}

/// First `inner`, then `outer`.
Perm compose(const Perm& inner, const Perm& outer) {
  Perm out;
  for (int axis : outer) out.push_back(inner[static_cast<size_t>(axis)]);
  return out;
}

bool is_identity(const Perm& perm) {
  return std::is_sorted(perm.begin(), perm.end());
}

/// An elementwise node with one operand that is no constant of one element: it does not care how its elements are ordered.
bool order_free(const Site& site, const ir::Node& node) {
  if (!node.op->has(ir::OpInfo::kElementwise) || node.outputs.size() != 1) return false;
  const ir::Fact& out = site.fact(node.outputs[0]);
  return std::all_of(node.inputs.begin() + 1, node.inputs.end(), [&](ir::ValueId v) {
    const Tensor* constant = site.constant(v);
    return v == ir::kNone || (constant != nullptr && constant->count() == 1 && has_rank(out) &&
                              static_cast<size_t>(constant->dims().rank()) <= out.shape->size());
  });
}

/// Transpose, elementwise nodes, Transpose back: the elementwise nodes alone.
Result<Answer> across(const Site& site, const Perm& outer) {
  std::vector<ir::Node> between;
  ir::ValueId value = site.node.inputs[0];
  const ir::Node* node = site.producer(value);
  while (node != nullptr && !node->is("Transpose") && site.uses.single(value) && order_free(site, *node)) {
    between.push_back(*node);
    value = node->inputs[0];
    node = site.producer(value);
  }
  const auto inner = node == nullptr || between.empty() ? std::nullopt : perm_of(site, *node);
  if (!inner || !is_identity(compose(*inner, outer))) return not_mine();
  ir::ValueId out = node->inputs[0];
  ir::Patch patch(site.graph);
  for (size_t i = between.size(); i-- > 0;) {
    between[i].inputs[0] = out;
    out = TRY(patch.add(between[i].op, between[i].attrs, between[i].inputs, 1, site.graph.unique_name(between[i].name)));
  }
  return replaced(site, std::move(patch), out);
}

/// The target of the Reshape that does the same, when the extents above 1 keep their order and at most one is not known.
std::optional<std::vector<int64_t>> as_reshape(const ir::Shape& from, const Perm& perm) {
  int last = -1, open = 0;
  std::vector<int64_t> target;
  for (int axis : perm) {
    const ir::Dim d = from[static_cast<size_t>(axis)];
    if (d != ir::Dim(1)) {
      if (axis < last) return std::nullopt;
      last = axis;
    }
    if (d == ir::Dim(0)) return std::nullopt;
    target.push_back(d.known() ? d.value() : -1);
    open += d.known() ? 0 : 1;
  }
  return open <= 1 ? std::optional(target) : std::nullopt;
}

Result<Answer> visit_gemm(const Site& site) {
  ops::GemmAttrs attrs = site.node.attrs.as<ops::GemmAttrs>();
  std::vector<ir::ValueId> inputs = site.node.inputs;
  bool any = false;
  for (size_t i = 0; i < 2; ++i) {
    const ir::Node* node = site.producer(inputs[i]);
    if (node == nullptr || !node->is("Transpose")) continue;
    const auto perm = perm_of(site, *node);
    if (!perm || perm->size() != 2 || is_identity(*perm)) continue;
    inputs[i] = node->inputs[0];
    bool& flag = i == 0 ? attrs.transA : attrs.transB;
    flag = !flag;
    any = true;
  }
  if (!any) return not_mine();
  ir::Patch patch(site.graph);
  const ir::ValueId out = TRY(patch.add(site.node.op, attrs, std::move(inputs)));
  return replaced(site, std::move(patch), out);
}

Result<Answer> visit(const Site& site) {
  if (site.node.is("Gemm")) return visit_gemm(site);
  const auto perm = site.node.is("Transpose") ? perm_of(site, site.node) : std::nullopt;
  if (!perm || is_identity(*perm)) return not_mine();
  if (const ir::Node* before = site.producer(site.node.inputs[0]); before != nullptr && before->is("Transpose")) {
    const auto inner = perm_of(site, *before);
    if (!inner) return not_mine();
    const Perm both = compose(*inner, *perm);
    const ir::ValueId x = before->inputs[0];
    if (is_identity(both)) return replaced(site, x);
    ir::Patch patch(site.graph);
    const ops::TransposeAttrs attrs{std::vector<int64_t>(both.begin(), both.end())};
    const ir::ValueId out = TRY(patch.add(site.node.op, attrs, {x}));
    return replaced(site, std::move(patch), out);
  }
  if (const auto target = as_reshape(*site.input(0)->shape, *perm)) {
    ir::Patch patch(site.graph);
    const ir::ValueId shape = patch.constant(Tensor::vector(*target));
    const ir::ValueId out = TRY(patch.add(ops::get("Reshape"), ops::ReshapeAttrs{}, {site.node.inputs[0], shape}));
    return replaced(site, std::move(patch), out);
  }
  return across(site, *perm);
}

}  // namespace

Pass transposes() {
  return {"transposes", "transposes that undo each other or move nothing go", visit};
}

}  // namespace slipway::passes

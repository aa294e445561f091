// BatchNormalization with constant statistics is a scale and a shift per channel.
#include "ops/batch_normalization.hpp"

#include <cmath>

#include "ops/reference.hpp"
#include "ops/registry.hpp"
#include "passes/match.hpp"

namespace slipway::passes {
namespace {

Result<Answer> visit(const Site& site) {
  const ir::Node& node = site.node;
  if (!node.is("BatchNormalization")) return not_mine();
  const auto& attrs = node.attrs.as<ops::BatchNormalizationAttrs>();
  if (attrs.training_mode) return declined("it is in training mode");
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    if (node.outputs[i] != ir::kNone && !site.uses.unused(node.outputs[i])) return declined("its statistics are read");
  }
  const ir::Fact& x = *site.input(0);
  if (!has_rank(x) || x.shape->size() < 2) return declined("the rank of its input is not known");
  const Tensor* p[5] = {};
  for (size_t i = 1; i < 5; ++i) {
    p[i] = site.constant_input(i);
    if (p[i] == nullptr) return declined("its statistics are no constants");
    if (p[i]->count() != p[1]->count()) return not_mine();
  }
  Dims dims = Dims::of_rank(static_cast<int>(x.shape->size()) - 1);
  dims[0] = p[1]->count();
  Tensor scale(x.type, dims), shift(x.type, dims);
  for (int64_t c = 0; c < dims[0]; ++c) {
    const double s = ops::load<double>(*p[1], c) / std::sqrt(ops::load<double>(*p[4], c) + static_cast<double>(attrs.epsilon));
    ops::store<double>(scale, c, s);
    ops::store<double>(shift, c, ops::load<double>(*p[2], c) - ops::load<double>(*p[3], c) * s);
  }
  ir::Patch patch(site.graph);
  const ir::ValueId s = patch.constant(std::move(scale)), t = patch.constant(std::move(shift));
  const ir::ValueId scaled = TRY(patch.add(ops::get("Mul"), {}, {node.inputs[0], s}));
  const ir::ValueId shifted = TRY(patch.add(ops::get("Add"), {}, {scaled, t}));
  return replaced(site, std::move(patch), shifted);
}

}  // namespace

Pass batch_norm() {
  return {"batch_norm", "BatchNormalization becomes a scale and a shift", visit};
}

}  // namespace slipway::passes

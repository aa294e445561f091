// (x - mean) / sqrt(mean((x - mean)^2) + epsilon) [* scale] [+ bias] over the last axes becomes LayerNormalization.
#include "ops/layer_normalization.hpp"

#include <algorithm>

#include "ops/reduce.hpp"
#include "ops/reference.hpp"
#include "ops/registry.hpp"
#include "passes/pattern.hpp"

namespace slipway::passes {
namespace {

enum Slot { kX, kCentred, kAxes, kAxesAgain, kEpsilon, kDeviation };

const std::vector<Pattern>& ways() {
  static const std::vector<Pattern> all = [] {
    const auto mean = [](Pattern of, int axes) { return Pattern::op("ReduceMean", {std::move(of), Pattern::constant(axes)}); };
    const Pattern centred = (any(kX) - mean(any(kX), kAxes)).as(kCentred);
    const Pattern variance = mean(any(kCentred) * any(kCentred), kAxesAgain);
    const Pattern deviation = unary("Sqrt", variance + Pattern::constant(kEpsilon)).as(kDeviation);
    return std::vector<Pattern>{centred / deviation, centred * unary("Reciprocal", deviation)};
  }();
  return all;
}

/// The first of the axes when they are the last ones of the rank, kept as 1 by the reduction.
std::optional<int64_t> trailing(const Site& site, const Match& match, ir::ValueId axes_value, size_t rank) {
  std::optional<std::vector<int64_t>> axes = ints(site, axes_value);
  if (!axes || axes->empty()) return std::nullopt;
  for (int64_t& a : *axes) a += a < 0 ? static_cast<int64_t>(rank) : 0;
  std::sort(axes->begin(), axes->end());
  for (size_t i = 0; i < axes->size(); ++i) {
    if ((*axes)[i] != static_cast<int64_t>(rank - axes->size() + i)) return std::nullopt;
  }
  for (ir::NodeId id : match.nodes) {
    const ir::Node& node = site.graph.node(id);
    if (node.is("ReduceMean") && !node.attrs.as<ops::ReduceAttrs>().keepdims) return std::nullopt;
  }
  return axes->front();
}

/// The constant operand of the only reader when that is the named operator and the constant has the shape of the normalised axes.
struct Follower {
  ir::ValueId constant = ir::kNone, result = ir::kNone;
};
Follower follower(const Site& site, ir::ValueId value, std::string_view op, const ir::Shape& wanted) {
  if (!site.uses.single(value)) return {};
  const ir::Node& node = site.graph.node(site.uses.of(value)[0]);
  if (!node.is(op)) return {};
  const ir::ValueId other = node.inputs[node.inputs[0] == value ? 1 : 0];
  if (site.constant(other) == nullptr || !same_shape(site.fact(other), ir::Fact::tensor(ElementType::f32, wanted))) return {};
  return {other, node.outputs[0]};
}

Result<Answer> visit(const Site& site) {
  if (!site.node.is("Div") && !site.node.is("Mul")) return not_mine();
  const auto match = find_first(ways(), site, site.out());
  if (!match) return not_mine();
  const ir::ValueId x = match->slots[kX];
  const ir::Fact& fact = site.fact(x);
  if (!has_rank(fact)) return declined("the rank of its input is not known");
  const size_t rank = fact.shape->size();
  const auto axis = trailing(site, *match, match->slots[kAxes], rank),
             again = trailing(site, *match, match->slots[kAxesAgain], rank);
  if (!axis || axis != again) return declined("the means are not over the last axes");
  const auto epsilon = scalar(site, match->slots[kEpsilon]);
  if (!epsilon) return declined("epsilon is no constant of one element");
  const ir::Shape normalised(fact.shape->begin() + static_cast<std::ptrdiff_t>(*axis), fact.shape->end());
  Dims dims;
  for (ir::Dim d : normalised) {
    if (!d.known()) return declined("the extents of the normalised axes are not known");
    dims.push_back(d.value());
  }
  const Follower scale = follower(site, site.out(), "Mul", normalised);
  const ir::ValueId scaled = scale.constant == ir::kNone ? site.out() : scale.result;
  const Follower bias = follower(site, scaled, "Add", normalised);
  const ElementType type = fact.type;
  const auto first = *axis - static_cast<int64_t>(rank);
  ir::Patch patch(site.graph);
  ir::ValueId factors = scale.constant;
  if (factors == ir::kNone) {
    Tensor ones(type, dims);
    for (int64_t i = 0; i < ones.count(); ++i) ops::store<double>(ones, i, 1.0);
    factors = patch.constant(std::move(ones));
  }
  std::vector<ir::ValueId> inputs{x, factors};
  if (bias.constant != ir::kNone) inputs.push_back(bias.constant);
  const ops::LayerNormalizationAttrs attrs{first, static_cast<float>(*epsilon), 1};
  const ir::ValueId out = TRY(patch.add(ops::get("LayerNormalization"), attrs, std::move(inputs)));
  patch.replace(bias.constant != ir::kNone ? bias.result : scaled, out);
  return Answer(std::move(patch));
}

}  // namespace

Pass layer_norm() {
  return {"layer_norm", "a layer normalisation written out becomes the operator", visit};
}

}  // namespace slipway::passes

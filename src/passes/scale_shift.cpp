// A constant scale or shift per channel beside a linear operator goes into its weights and bias: after it always, before it where
// padding does not see it.
#include "base/format.hpp"
#include "ops/registry.hpp"
#include "passes/linear.hpp"

namespace slipway::passes {
namespace {

/// Mul or Add of a value and a constant per channel.
struct Affine {
  bool scale = false;
  ir::ValueId value = ir::kNone;
  std::vector<double> channels;
};

std::optional<Affine> affine(const Site& site, const ir::Node& node, int axis, int64_t channels) {
  if (!node.is("Mul") && !node.is("Add")) return std::nullopt;
  const Tensor* constant = site.constant(node.inputs[1]);
  const ir::Fact& value = site.fact(node.inputs[0]);
  if (constant == nullptr || !has_rank(value)) return std::nullopt;
  auto list = per_channel(*constant, axis, channels, value.shape->size());
  if (!list) return std::nullopt;
  return Affine{node.is("Mul"), node.inputs[0], std::move(*list)};
}

/// This node scales or shifts what a linear operator gives.
Result<Answer> after(const Site& site) {
  const ir::Node* node = site.producer(site.node.inputs[0]);
  std::optional<Linear> linear = node == nullptr ? std::nullopt : Linear::of(site, *node);
  if (!linear) return not_mine();
  const auto step = affine(site, site.node, linear->output_axis(), linear->channels_out());
  if (!step) return not_mine();
  if (!site.uses.single(step->value)) return declined("others read the result too");
  if (!step->scale && !linear->takes_bias()) return not_mine();
  if (step->scale) {
    linear->scale_outputs(step->channels);
  } else {
    linear->shift_outputs(step->channels);
  }
  const ir::ValueId input = node->inputs[0];
  ir::Patch patch(site.graph);
  const ir::ValueId out = TRY(linear->build(patch, input));
  return replaced(site, std::move(patch), out);
}

/// This node is linear and what it reads has been scaled or shifted.
Result<Answer> before(const Site& site) {
  std::optional<Linear> linear = Linear::of(site, site.node);
  const ir::Node* node = linear ? site.producer(site.node.inputs[0]) : nullptr;
  if (node == nullptr) return not_mine();
  const auto step = affine(site, *node, linear->input_axis(), linear->channels_in());
  if (!step) return not_mine();
  if (!site.uses.single(site.node.inputs[0])) return declined("others read the scaled input too");
  if (!step->scale && !linear->takes_bias()) return not_mine();
  if (!step->scale && !linear->unpadded()) return declined("padding would see the shift");
  if (step->scale) {
    linear->scale_inputs(step->channels);
  } else {
    linear->shift_inputs(step->channels);
  }
  ir::Patch patch(site.graph);
  const ir::ValueId out = TRY(linear->build(patch, step->value));
  return replaced(site, std::move(patch), out);
}

Result<Answer> visit(const Site& site) {
  if (site.node.is("Mul") || site.node.is("Add")) return after(site);
  return before(site);
}

}  // namespace

Pass scale_shift() {
  return {"scale_shift", "constant scales and shifts go into neighbouring weights", visit};
}

}  // namespace slipway::passes

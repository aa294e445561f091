// Nodes that give back what they were given.
#include <algorithm>

#include "ops/cast.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"
#include "ops/transpose.hpp"
#include "passes/match.hpp"

namespace slipway::passes {
namespace {

/// A float whose every element is `wanted`, broadcasting into the other operand.
bool neutral(const Site& site, size_t i, double wanted) {
  const Tensor* t = site.constant_input(i);
  if (t == nullptr || !broadcasts_into(*site.input(i), *site.input(1 - i))) return false;
  if (t->count() != 1) return false;
  if (const auto number = ints(site, site.node.inputs[i])) return static_cast<double>(number->front()) == wanted;
  const auto s = scalar(site, site.node.inputs[i]);
  return s && *s == wanted;
}

/// x + 0 turns -0 into 0, which no consumer can tell but by its sign bit; x - 0, x * 1, x / 1 and x ^ 1 are exact.
ir::ValueId arithmetic(const Site& site) {
  const ir::Node& node = site.node;
  const bool product = node.is("Mul") || node.is("Div") || node.is("Pow");
  if (!product && !node.is("Add") && !node.is("Sub")) return ir::kNone;
  if (node.inputs.size() != 2 || site.input(0)->type != site.fact(site.out()).type) return ir::kNone;
  if (neutral(site, 1, product ? 1 : 0)) return node.inputs[0];
  const bool either_side = node.is("Mul") || node.is("Add");
  return either_side && neutral(site, 0, product ? 1 : 0) ? node.inputs[1] : ir::kNone;
}

bool all_of_value(const Site& site, size_t i, int64_t wanted) {
  const auto list = i < site.node.inputs.size() ? ints(site, site.node.inputs[i]) : std::nullopt;
  return list && std::all_of(list->begin(), list->end(), [&](int64_t v) { return v == wanted; });
}

bool identity_transpose(const Site& site) {
  if (!has_rank(*site.input(0))) return false;
  const auto perm = ops::permutation(site.node.attrs.as<ops::TransposeAttrs>(), static_cast<int>(site.input(0)->shape->size()));
  return std::is_sorted(perm.begin(), perm.end()) && perm.size() == site.input(0)->shape->size();
}

/// Starts at 0, ends at or beyond the end, steps of 1.
bool full_slice(const Site& site) {
  if (same_shape(*site.input(0), site.fact(site.out()))) {
    return site.node.inputs.size() < 5 || site.node.inputs[4] == ir::kNone || all_of_value(site, 4, 1);
  }
  constexpr int64_t kBeyond = int64_t{1} << 31;
  const auto ends = ints(site, site.node.inputs[2]);
  return ends && std::all_of(ends->begin(), ends->end(), [](int64_t v) { return v >= kBeyond - 1; }) &&
         all_of_value(site, 1, 0) &&
         (site.node.inputs.size() < 5 || site.node.inputs[4] == ir::kNone || all_of_value(site, 4, 1));
}

/// The input that the output equals, kNone when the node does something.
ir::ValueId source(const Site& site) {
  const ir::Node& node = site.node;
  if (node.inputs.empty() || node.inputs[0] == ir::kNone) return ir::kNone;
  const ir::ValueId x = node.inputs[0];
  if (node.is("Identity")) return x;
  if (node.is("Dropout")) {
    const bool training = node.inputs.size() > 2 && node.inputs[2] != ir::kNone && !all_of_value(site, 2, 0);
    const bool mask = node.outputs.size() > 1 && node.outputs[1] != ir::kNone && !site.uses.unused(node.outputs[1]);
    return training || mask ? ir::kNone : x;
  }
  if (node.outputs.size() != 1) return ir::kNone;
  const ir::Fact &from = *site.input(0), &to = site.fact(site.out());
  if (node.is("Cast")) return from.is_tensor() && from.type == node.attrs.as<ops::CastAttrs>().to ? x : ir::kNone;
  if (node.is("Concat")) return node.inputs.size() == 1 ? x : ir::kNone;
  if (node.is("Transpose")) return identity_transpose(site) ? x : ir::kNone;
  if (node.is("Pad")) return all_of_value(site, 1, 0) ? x : ir::kNone;
  if (node.is("Slice")) return full_slice(site) ? x : ir::kNone;
  if (node.is("Tile")) return all_of_value(site, 1, 1) ? x : ir::kNone;
  if (node.is("Reshape") || node.is("Expand") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze")) {
    return same_shape(from, to) ? x : ir::kNone;
  }
  if (node.is("Sum") || node.is("Mean") || node.is("Max") || node.is("Min")) return node.inputs.size() == 1 ? x : ir::kNone;
  return arithmetic(site);
}

Result<Answer> visit(const Site& site) {
  const ir::ValueId same = source(site);
  if (same == ir::kNone) return not_mine();
  return replaced(site, same);
}

}  // namespace

Pass no_op() {
  return {"no_op", "removes nodes that give back their input", visit};
}

}  // namespace slipway::passes

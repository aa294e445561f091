// What is computed from extents is known before any input arrives: whole values become constants, a Reshape to a shape with one
// open extent becomes one to a constant shape, and facts take the extents that a computed shape names.
#include "base/format.hpp"
#include "ops/reference.hpp"
#include "ops/reshape.hpp"
#include "passes/extents.hpp"
#include "passes/match.hpp"

namespace slipway::passes {
namespace {

/// Nothing when a term is no number or does not fit the type.
std::optional<Tensor> tensor_of(const Terms& terms, ElementType type) {
  Tensor t(type, terms.scalar ? Dims{} : Dims{static_cast<int64_t>(terms.items.size())});
  for (size_t i = 0; i < terms.items.size(); ++i) {
    const int64_t number = terms.items[i].number;
    if (!terms.items[i].is_number() || (type == ElementType::i32 && number != static_cast<int32_t>(number))) return std::nullopt;
    ops::store<int64_t>(t, static_cast<int64_t>(i), number);
  }
  return t;
}

/// Not to be computed from what its inputs are.
bool is_opaque(const ir::Node& node) {
  return node.op->has(ir::OpInfo::kHasSubgraph) || node.op->has(ir::OpInfo::kRandom) || node.op->has(ir::OpInfo::kGroup);
}

/// The target as constants: numbers stay, an extent that the input has at the same place becomes 0, at most one other becomes -1.
std::optional<std::vector<int64_t>> constant_target(const Terms& target, const ir::Shape& from) {
  std::vector<int64_t> out;
  int open = 0;
  for (size_t i = 0; i < target.items.size(); ++i) {
    const Term& t = target.items[i];
    if (t.is_number()) {
      out.push_back(t.number);
    } else if (t.dim().is_symbol() && i < from.size() && t.dim().same(from[i])) {
      out.push_back(0);
    } else {
      out.push_back(-1);
    }
    open += out.back() == -1 ? 1 : 0;
  }
  return open <= 1 ? std::optional(out) : std::nullopt;
}

/// True when merging `shape` into the fact would say something new.
bool says_more(const ir::Fact& fact, const ir::Shape& shape) {
  if (!fact.shape) return true;
  if (fact.shape->size() != shape.size()) return false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const ir::Dim before = (*fact.shape)[i], after = shape[i];
    if (!before.known() && (after.known() || (after.is_symbol() && !before.is_symbol()))) return true;
  }
  return false;
}

/// A Reshape to a computed shape of which all but one extent is known reshapes to a constant.
std::optional<Tensor> constant_shape(const Site& site) {
  const ir::Fact& data = *site.input(0);
  if (site.constant_input(1) != nullptr || !has_rank(data)) return std::nullopt;
  const std::optional<Terms> target = terms_of(site.graph, site.node.inputs[1]);
  if (!target || target->scalar) return std::nullopt;
  for (const Term& t : target->items) {
    if (site.node.attrs.as<ops::ReshapeAttrs>().allowzero && (!t.is_number() || t.number == 0)) return std::nullopt;
  }
  const auto constant = constant_target(*target, *data.shape);
  return constant ? std::optional(Tensor::vector(*constant)) : std::nullopt;
}

Result<Answer> visit(const Site& site) {
  const ir::Node& node = site.node;
  if (node.outputs.size() != 1 || node.inputs.empty() || is_opaque(node)) return not_mine();
  const ir::Fact& fact = site.fact(site.out());
  if (fact.is_tensor() && (is_integer(fact.type) || fact.type == ElementType::boolean)) {
    if (const std::optional<Terms> terms = terms_of(site.graph, site.out())) {
      if (std::optional<Tensor> tensor = tensor_of(*terms, fact.type)) {
        return replaced(site, ir::Patch(site.graph), std::move(*tensor));
      }
    }
  }
  const std::optional<ir::Shape> shape = computed_shape(site.graph, node);
  std::optional<Tensor> target = node.is("Reshape") ? constant_shape(site) : std::nullopt;
  if (target) {
    const ElementType type = fact.type;
    ir::Patch patch(site.graph);
    const ir::ValueId to = patch.constant(std::move(*target));
    const ir::ValueId out = TRY(patch.add(node.op, node.attrs, {node.inputs[0], to}));
    if (shape) patch.refine(out, ir::Fact::tensor(type, *shape));
    return replaced(site, std::move(patch), out);
  }
  if (!shape || !says_more(fact, *shape)) return not_mine();
  ir::Patch patch(site.graph);
  patch.refine(site.out(), ir::Fact::tensor(fact.type, *shape));
  return Answer(std::move(patch));
}

}  // namespace

Pass shape_arithmetic() {
  return {"shape_arithmetic", "values computed from extents become constants", visit};
}

}  // namespace slipway::passes

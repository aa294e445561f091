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

bool has_subgraph_or_state(const ir::Node& node) {
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

/// The shape that a computed target gives; -1 is worked out where the rest of both sides is numbers and equal symbols.
ir::Shape reshaped(const Terms& target, const ir::Shape& from) {
  ir::Shape out;
  for (size_t i = 0; i < target.items.size(); ++i) {
    const Term& t = target.items[i];
    out.push_back(t.is_number() && t.number == 0 && i < from.size() ? from[i] : t.dim());
  }
  const auto open = std::find_if(target.items.begin(), target.items.end(), [](const Term& t) { return t.is_number() && t.number == -1; });
  if (open == target.items.end()) return out;
  ir::Shape left = from;
  int64_t divisor = 1, total = 1;
  for (size_t i = 0; i < out.size(); ++i) {
    if (&target.items[i] == &*open) continue;
    if (out[i].known()) {
      if (out[i].value() <= 0 || divisor > (int64_t{1} << 40) / out[i].value()) return out;
      divisor *= out[i].value();
      continue;
    }
    const auto match = std::find_if(left.begin(), left.end(), [&](ir::Dim d) { return d.same(out[i]); });
    if (match == left.end()) return out;
    left.erase(match);
  }
  ir::Dim rest = 1;
  for (ir::Dim d : left) {
    if (d.known()) {
      if (d.value() <= 0 || total > (int64_t{1} << 40) / d.value()) return out;
      total *= d.value();
    } else if (!d.is_symbol() || rest != ir::Dim(1)) {
      return out;
    } else {
      rest = d;
    }
  }
  if (total % divisor != 0) return out;
  out[static_cast<size_t>(open - target.items.begin())] = rest * ir::Dim(total / divisor);
  return out;
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

Answer refined(const Site& site, const ir::Shape& shape) {
  const ir::Fact& fact = site.fact(site.out());
  if (!says_more(fact, shape)) return not_mine();
  ir::Patch patch(site.graph);
  patch.refine(site.out(), ir::Fact::tensor(fact.type, shape));
  return Answer(std::move(patch));
}

Result<Answer> visit_reshape(const Site& site) {
  const ir::Fact& data = *site.input(0);
  const std::optional<Terms> target = terms_of(site.graph, site.node.inputs[1]);
  if (!has_rank(data) || !target || target->scalar) return not_mine();
  const auto& attrs = site.node.attrs.as<ops::ReshapeAttrs>();
  for (const Term& t : target->items) {
    if (attrs.allowzero && (!t.is_number() || t.number == 0)) return not_mine();
  }
  const ir::Shape shape = reshaped(*target, *data.shape);
  if (site.constant_input(1) == nullptr) {
    if (const auto constant = constant_target(*target, *data.shape)) {
      ir::Patch patch(site.graph);
      const ir::ValueId to = patch.constant(Tensor::vector(*constant));
      const ir::ValueId out = TRY(patch.add(site.node.op, site.node.attrs, {site.node.inputs[0], to}));
      patch.refine(out, ir::Fact::tensor(data.type, shape));
      return replaced(site, std::move(patch), out);
    }
  }
  return refined(site, shape);
}

Result<Answer> visit(const Site& site) {
  const ir::Node& node = site.node;
  if (node.outputs.size() != 1 || node.inputs.empty() || has_subgraph_or_state(node)) return not_mine();
  const ir::Fact& fact = site.fact(site.out());
  if (fact.is_tensor() && (is_integer(fact.type) || fact.type == ElementType::boolean)) {
    if (const std::optional<Terms> terms = terms_of(site.graph, site.out())) {
      if (std::optional<Tensor> tensor = tensor_of(*terms, fact.type)) {
        return replaced(site, ir::Patch(site.graph), std::move(*tensor));
      }
    }
  }
  if (node.is("Reshape")) return visit_reshape(site);
  if (node.is("ConstantOfShape") || node.is("Expand")) {
    const std::optional<Terms> target = terms_of(site.graph, node.inputs.back());
    if (!target || target->scalar) return not_mine();
    ir::Shape shape;
    for (const Term& t : target->items) shape.push_back(t.dim());
    if (node.is("ConstantOfShape")) return refined(site, shape);
    if (!has_rank(*site.input(0))) return not_mine();
    return refined(site, TRY(ops::broadcast(*site.input(0)->shape, shape)));
  }
  return not_mine();
}

}  // namespace

Pass shape_arithmetic() { return {"shape_arithmetic", "values computed from extents become constants", visit}; }

}  // namespace slipway::passes

// One way to write arithmetic with constants, so that later passes look for one form: the constant on the right, sums for
// differences, products for quotients, x * x for squares, two constants in a row made one.
#include <algorithm>
#include <cmath>

#include "base/low_precision.hpp"
#include "ops/reference.hpp"
#include "ops/registry.hpp"
#include "passes/match.hpp"

namespace slipway::passes {
namespace {

/// Results of constant arithmetic stay within these magnitudes (or zero): nothing overflows or is lost to subnormals.
constexpr double kLeast = 1e-30, kMost = 1e30;

bool tame(double v) {
  return v == 0 || (std::abs(v) >= kLeast && std::abs(v) <= kMost);
}

/// f of every element of a float tensor; nullopt when a result is not tame.
template <class F>
std::optional<Tensor> mapped(const Tensor& t, F&& f) {
  Tensor out(t.type(), t.dims());
  for (int64_t i = 0; i < t.count(); ++i) {
    const double v = f(ops::load<double>(t, i));
    if (!tame(v)) return std::nullopt;
    ops::store<double>(out, i, v);
  }
  return out;
}

bool all_tame(const Tensor& t) {
  return mapped(t, [](double v) { return v; }).has_value();
}

Result<Answer> with_other_op(const Site& site, std::string_view op, std::optional<Tensor> right) {
  if (!right) return declined("the constant has no tame inverse");
  ir::Patch patch(site.graph);
  const ir::ValueId c = patch.constant(std::move(*right));
  const ir::ValueId out = TRY(patch.add(ops::get(op), {}, {site.node.inputs[0], c}));
  return replaced(site, std::move(patch), out);
}

Result<Answer> visit_pow(const Site& site, const Tensor& exponent) {
  if (exponent.count() != 1 ||
      exponent.dims().rank() > static_cast<int>(site.input(0)->shape ? site.input(0)->shape->size() : 0)) {
    return not_mine();
  }
  const ir::ValueId x = site.node.inputs[0];
  const double e = scalar(site, site.node.inputs[1]).value_or(0);
  ir::Patch patch(site.graph);
  if (e == 2) {
    const ir::ValueId square = TRY(patch.add(ops::get("Mul"), {}, {x, x}));
    return replaced(site, std::move(patch), square);
  }
  if (e == 0.5) {
    const ir::ValueId root = TRY(patch.add(ops::get("Sqrt"), {}, {x}));
    return replaced(site, std::move(patch), root);
  }
  return not_mine();
}

/// (x op a) op b becomes x op (a op b); constant_folding then computes the bracket.
Result<Answer> merge_constants(const Site& site, const Tensor& right) {
  const ir::Node* inner = site.own_producer(site.node.inputs[0], site.node.op->name);
  const Tensor* left = inner == nullptr ? nullptr : site.constant(inner->inputs[1]);
  if (left == nullptr || !all_tame(*left) || !all_tame(right)) return not_mine();
  if (left->count() != 1 && right.count() != 1 && !(left->dims() == right.dims())) return not_mine();
  const bool product = site.node.is("Mul");
  for (int64_t i = 0; i < std::max(left->count(), right.count()); ++i) {
    const double a = ops::load<double>(*left, left->count() == 1 ? 0 : i),
                 b = ops::load<double>(right, right.count() == 1 ? 0 : i);
    if (!tame(product ? a * b : a + b)) return declined("the two constants together are out of range");
  }
  const ir::ValueId x = inner->inputs[0], a = inner->inputs[1];
  ir::Patch patch(site.graph);
  const ir::ValueId both = TRY(patch.add(site.node.op, {}, {a, site.node.inputs[1]}));
  const ir::ValueId out = TRY(patch.add(site.node.op, {}, {x, both}));
  return replaced(site, std::move(patch), out);
}

Result<Answer> visit(const Site& site) {
  const ir::Node& node = site.node;
  if (node.inputs.size() != 2 || node.op->domain != "" || !site.input(0)->is_tensor()) return not_mine();
  const Tensor *left = site.constant_input(0), *right = site.constant_input(1);
  if (left != nullptr && right == nullptr && node.op->has(ir::OpInfo::kCommutative)) {
    ir::Patch patch(site.graph);
    const ir::ValueId out = TRY(patch.add(node.op, node.attrs, {node.inputs[1], node.inputs[0]}));
    return replaced(site, std::move(patch), out);
  }
  const bool floats = contains(types(ElementType::f32, ElementType::f64), site.fact(site.out()).type);
  if (left != nullptr || right == nullptr || !floats || !contains(type_sets::kFloat, right->type())) return not_mine();
  if (node.is("Sub")) return with_other_op(site, "Add", mapped(*right, [](double v) { return -v; }));
  if (node.is("Div")) {
    return with_other_op(site, "Mul", mapped(*right, [](double v) { return v == 0 ? INFINITY : 1 / v; }));
  }
  if (node.is("Pow")) return visit_pow(site, *right);
  if (node.is("Add") || node.is("Mul")) return merge_constants(site, *right);
  return not_mine();
}

}  // namespace

Pass canonical_arithmetic() {
  return {"canonical_arithmetic", "one way to write arithmetic with constants", visit};
}

}  // namespace slipway::passes

#include "passes/match.hpp"

#include <cmath>

#include "base/low_precision.hpp"

namespace slipway::passes {

std::optional<double> scalar(const Site& site, ir::ValueId v) {
  const Tensor* t = site.constant(v);
  if (t == nullptr || t->count() != 1 || !contains(type_sets::kFloat, t->type())) return std::nullopt;
  return load_double(t->data(), t->type(), 0);
}

std::optional<std::vector<int64_t>> ints(const Site& site, ir::ValueId v) {
  const Tensor* t = site.constant(v);
  if (t == nullptr || !is_integer(t->type())) return std::nullopt;
  return to_int64s(*t);
}

bool near(double a, double b) {
  return std::abs(a - b) <= 2e-6 * std::max(std::abs(a), std::abs(b));
}

bool same_shape(const ir::Fact& a, const ir::Fact& b) {
  if (!has_rank(a) || !has_rank(b) || a.shape->size() != b.shape->size()) return false;
  for (size_t i = 0; i < a.shape->size(); ++i) {
    if (!(*a.shape)[i].same((*b.shape)[i])) return false;
  }
  return true;
}

bool may_be_same_shape(const ir::Fact& a, const ir::Fact& b) {
  if (!has_rank(a) || !has_rank(b)) return false;
  if (a.shape->size() != b.shape->size()) return false;
  for (size_t i = 0; i < a.shape->size(); ++i) {
    const ir::Dim x = (*a.shape)[i], y = (*b.shape)[i];
    if (x.known() && y.known() && x != y) return false;
    if ((x.known() && x.value() == 1) != (y.known() && y.value() == 1)) return false;
  }
  return true;
}

bool broadcasts_into(const ir::Fact& from, const ir::Fact& to) {
  if (!has_rank(from) || !has_rank(to) || from.shape->size() > to.shape->size()) return false;
  const size_t skip = to.shape->size() - from.shape->size();
  for (size_t i = 0; i < from.shape->size(); ++i) {
    const ir::Dim x = (*from.shape)[i];
    if (!(x.known() && x.value() == 1) && !x.same((*to.shape)[i + skip])) return false;
  }
  return true;
}

std::optional<WithScalar> with_scalar(const Site& site, const ir::Node& node, std::string_view op) {
  if (!node.is(op) || node.inputs.size() != 2) return std::nullopt;
  if (const auto s = scalar(site, node.inputs[1])) return WithScalar{node.inputs[0], *s};
  if (!node.op->has(ir::OpInfo::kCommutative)) return std::nullopt;
  if (const auto s = scalar(site, node.inputs[0])) return WithScalar{node.inputs[1], *s};
  return std::nullopt;
}

}  // namespace slipway::passes

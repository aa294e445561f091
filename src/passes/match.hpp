// Questions that many passes ask about values.
#pragma once

#include "base/element_type.hpp"
#include "passes/pass.hpp"

namespace slipway::passes {

/// The number in a float constant of exactly one element (any rank).
std::optional<double> scalar(const Site& site, ir::ValueId v);
/// The constant's elements as int64s; nullopt when the value is no integer constant.
std::optional<std::vector<int64_t>> ints(const Site& site, ir::ValueId v);
/// Equal to within a float's rounding.
bool near(double a, double b);
inline bool is_scalar(const Site& site, ir::ValueId v, double wanted) {
  const std::optional<double> s = scalar(site, v);
  return s && near(*s, wanted);
}

/// A tensor of known rank.
inline bool has_rank(const ir::Fact& fact) {
  return fact.is_tensor() && fact.shape.has_value();
}
inline bool is_f32(const ir::Fact& fact) {
  return fact.is_tensor() && fact.type == ElementType::f32;
}
inline bool is_bf16(const ir::Fact& fact) {
  return fact.is_tensor() && fact.type == ElementType::bf16;
}
/// Surely the same extents: known or the same symbols.
bool same_shape(const ir::Fact& a, const ir::Fact& b);
/// Not known to differ in rank or in any extent.
bool may_be_same_shape(const ir::Fact& a, const ir::Fact& b);
/// Broadcasting `from` against a tensor of `to` surely gives the shape of `to`.
bool broadcasts_into(const ir::Fact& from, const ir::Fact& to);

/// The node's operands when it has the named operator and one of its two inputs is a one-element float constant.
struct WithScalar {
  ir::ValueId value = ir::kNone;
  double scalar = 0;
};
/// `op` commutative: the scalar on either side, else on the right.
std::optional<WithScalar> with_scalar(const Site& site, const ir::Node& node, std::string_view op);

}  // namespace slipway::passes

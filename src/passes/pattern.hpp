// Patterns: small trees of operators to look for, written like the formula they stand for.
//
//   const Pattern x = any(0);
//   const Pattern gelu = x * (erf(x * number(0.70710678)) + number(1)) * number(0.5);
//
// Operands of commutative operators match in either order. canonical_arithmetic runs before every pass that uses patterns, so
// division by a constant is written as a product, subtraction of one as a sum, and a square as x * x.
#pragma once

#include <array>
#include <memory>

#include "passes/match.hpp"

namespace slipway::passes {

inline constexpr size_t kPatternSlots = 8;

/// Where a pattern was found.
struct Match {
  std::array<ir::ValueId, kPatternSlots> slots;  ///< by slot number; kNone: not bound
  std::vector<ir::NodeId> nodes;                 ///< every operator of the pattern, the root first

  Match() { slots.fill(ir::kNone); }
};

class Pattern {
 public:
  /// Any value; one slot, one value.
  static Pattern any(int slot);
  /// A constant; bound to the slot.
  static Pattern constant(int slot);
  /// A float constant of one element near `value`.
  static Pattern number(double value);
  static Pattern op(std::string_view name, std::vector<Pattern> inputs);
  /// This pattern, its value bound to a slot (which must already be that value when it is bound).
  Pattern as(int slot) const;

  /// The pattern with its root at `value`.
  std::optional<Match> find(const Site& site, ir::ValueId value) const;

 private:
  struct Tree;
  explicit Pattern(std::shared_ptr<const Tree> tree) : tree_(std::move(tree)) {}
  static bool fits(const Tree& tree, const Site& site, ir::ValueId value, Match& match);
  static bool operands_fit(const Tree& tree, const Site& site, ir::ValueId a, ir::ValueId b, Match& match);
  std::shared_ptr<const Tree> tree_;
};

inline Pattern any(int slot) {
  return Pattern::any(slot);
}
inline Pattern number(double value) {
  return Pattern::number(value);
}
inline Pattern operator+(Pattern a, Pattern b) {
  return Pattern::op("Add", {std::move(a), std::move(b)});
}
inline Pattern operator-(Pattern a, Pattern b) {
  return Pattern::op("Sub", {std::move(a), std::move(b)});
}
inline Pattern operator*(Pattern a, Pattern b) {
  return Pattern::op("Mul", {std::move(a), std::move(b)});
}
inline Pattern operator/(Pattern a, Pattern b) {
  return Pattern::op("Div", {std::move(a), std::move(b)});
}
inline Pattern unary(std::string_view name, Pattern x) {
  return Pattern::op(name, {std::move(x)});
}

/// The first of several ways to write one formula that is found at `value` and whose inner values nobody else reads.
std::optional<Match> find_first(std::span<const Pattern> ways, const Site& site, ir::ValueId value);

/// Nobody outside the match reads a value inside it (other than the root's), and the graph gives none of them out.
bool closed(const Match& match, const Site& site);

}  // namespace slipway::passes

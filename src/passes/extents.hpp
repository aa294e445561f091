// Small integer tensors (shapes and what is computed from them) as far as they are known while extents are symbols.
#pragma once

#include <optional>
#include <vector>

#include "ir/graph.hpp"

namespace slipway::passes {

/// One element: unknown, a number, or factor * symbol + number.
struct Term {
  bool known = false;
  int symbol = -1;  ///< index into the Graph's symbols; -1: none
  int64_t factor = 0;
  int64_t number = 0;

  static Term of(int64_t n) { return {true, -1, 0, n}; }
  static Term of(ir::Dim d) {
    if (d.known()) return of(d.value());
    return d.is_symbol() ? Term{true, d.symbol_index(), 1, 0} : Term{};
  }
  bool is_number() const { return known && symbol < 0; }
  /// The extent it stands for; unknown where a Dim cannot say it.
  ir::Dim dim() const {
    if (is_number()) return number >= 0 ? ir::Dim(number) : ir::Dim::unknown();
    return known && factor == 1 && number == 0 ? ir::Dim::symbol(symbol) : ir::Dim::unknown();
  }
  bool operator==(const Term&) const = default;
};

/// A scalar or 1-D integer (or bool) tensor; terms may be unknown one by one.
struct Terms {
  std::vector<Term> items;
  bool scalar = false;
};

/// The most elements of a tensor that is followed.
inline constexpr size_t kMaxTerms = 64;

/// What is known of a value by following its producers; nullopt when even its length is not known or it is no such tensor.
std::optional<Terms> terms_of(const ir::Graph& graph, ir::ValueId value);

/// The shape of the node's output as far as computed operands tell (Reshape, Expand, ConstantOfShape, Range) or broadcasting with
/// bounded extents does (elementwise nodes); extents may stay unknown. nullopt: nothing beyond what inference says.
std::optional<ir::Shape> computed_shape(const ir::Graph& graph, const ir::Node& node);

/// An extent that is the smaller of a symbol and a number (a table cut to the length of a sequence) has a symbol of its own, by
/// whose name the relation is known: "min(L,512)". Broadcast against L it gives L: either it is L, or the two do not fit.
ir::Dim bounded_extent(ir::Graph& graph, int symbol, int64_t bound);
/// The axes of a Slice that run from 0 to a symbol in a known extent, with that symbol: axis, symbol, extent.
struct SymbolicCut {
  size_t axis = 0;
  int symbol = 0;
  int64_t bound = 0;
};
std::vector<SymbolicCut> symbolic_cuts(const ir::Graph& graph, const ir::Node& slice);

}  // namespace slipway::passes

// The text form of a Graph: what explain prints, what .case tests contain, and what equality of sub-graphs means.
#pragma once

#include <string>
#include <string_view>

#include "ir/graph.hpp"

namespace slipway::ir {

struct PrintOptions {
  bool facts = true;             ///< facts of node outputs as trailing comments
  int64_t constant_limit = 16;   ///< constants with more elements print as `zeros`-shaped placeholders "{...}" that do not parse back
};

/// The grammar is in docs/text-form.md. Deterministic.
std::string print(const Graph& graph, const PrintOptions& options = {});
/// Errors carry line and column. Limits: nesting, length, counts (named constants in text.cpp).
Result<Graph> parse(std::string_view text, OpLookup lookup);

}  // namespace slipway::ir

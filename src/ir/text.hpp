// The text form of a Graph: what explain prints, what .case tests contain, and what equality of sub-graphs means.
// The grammar is in docs/text-form.md.
#pragma once

#include <string>
#include <string_view>

#include "ir/graph.hpp"

namespace slipway::ir {

struct PrintOptions {
  bool facts = true;            ///< facts of node outputs as trailing comments
  int64_t constant_limit = 16;  ///< constants with more elements print as "{...}", which does not parse; -1: no limit
  bool digests = false;         ///< "{...}" holds a digest of the bytes, so that different constants print differently
};

/// Deterministic. Values and constants that nothing uses are left out; names that are empty or taken get a number.
/// print(parse(print(g))) == print(g) when no constant is elided.
std::string print(const Graph& graph, const PrintOptions& options = {});
/// One node as a line without line end.
std::string print_node(const Graph& graph, NodeId id, const PrintOptions& options = {});

/// A whole graph, or its lines without "graph { }". Facts of node outputs are inferred. Errors (invalid_model, limit) carry line
/// and column. Limits on length, nesting and constants are named in text_parse.cpp.
Result<Graph> parse(std::string_view text, OpLookup lookup);

}  // namespace slipway::ir

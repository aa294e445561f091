// The whole way from an imported graph to one that is ready to be planned.
#pragma once

#include "passes/driver.hpp"

namespace slipway::passes {

/// The stages in order; every pass of slipway stands in at least one.
const std::vector<Stage>& pipeline();

/// Rewrites the graph in place; its answers stay the same but for rounding. Works on symbolic extents.
inline Result<Report> run(ir::Graph& graph, const Options& options = {}) {
  return run_stages(graph, pipeline(), options);
}

/// The pass of that name, nullptr when there is none.
const Pass* find_pass(std::string_view name);

}  // namespace slipway::passes

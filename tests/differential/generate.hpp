// Random valid graphs: operators' samples and the graphs of .case files, joined and grown by further nodes. Every node is
// evaluated by its reference as it is added, so what comes out is known to run.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "ops/op.hpp"

namespace slipway::differential {

/// A graph and inputs that it runs on.
struct Trial {
  ir::Graph graph;
  std::vector<ir::Value> inputs;
  std::string origin;  ///< what it was grown from
};

/// The operator gives elements of its inputs as they are.
bool only_moves(const ops::Op& op);

/// Texts of graphs to start from, besides the samples.
struct Seed {
  std::string name, text;
};

/// The same seed and number give the same graph.
Trial generate(const std::vector<Seed>& seeds, uint64_t seed, uint64_t number);

}  // namespace slipway::differential

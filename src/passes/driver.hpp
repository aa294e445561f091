// The one driver that runs every pass: skips by name, times, verifies after each, stops after N patches, refuses to loop, and
// keeps a report for explain.
#pragma once

#include "passes/pass.hpp"

namespace slipway::passes {

struct Options {
  bool bf16 = false;                 ///< products may round their operands to bfloat16
  std::vector<std::string> skip;     ///< passes left out, by name
  std::optional<size_t> stop_after;  ///< apply this many patches in total, then nothing more (to bisect a bad rewrite)
  bool verify = true;                ///< check the graph after each pass that changed it
};

struct Declined {
  std::string node;
  std::string reason;
  bool operator==(const Declined&) const = default;
};

struct PassReport {
  std::string_view name, doc;
  size_t patches = 0;
  double ms = 0;
  std::vector<Declined> declined;  ///< each node and reason once
};

struct Report {
  std::vector<PassReport> passes;  ///< in the order of first run
  size_t patches = 0;
  size_t nodes_before = 0, nodes_after = 0;  ///< of the main graph
  bool settled = true;  ///< false: a stage was still changing things when its rounds, or the work allowed, were used up
};

/// Passes that run in turn; with `rounds` above 1 again and again until a whole round changes nothing.
struct Stage {
  std::vector<Pass> passes;
  int rounds = 1;
  bool enters_subgraphs = false;  ///< afterwards all stages run over the sub-graphs of the nodes
  bool for_bf16 = false;          ///< runs only where bfloat16 is asked for
};

/// The most rounds that a stage asks for.
inline constexpr int kManyRounds = 32;
/// How deep sub-graphs of sub-graphs are entered.
inline constexpr int kMaxSubgraphDepth = 16;

/// Runs the stages over the graph and the sub-graphs of its nodes. The graph's facts are inferred first. An error is a defect of
/// a pass (its name is in the notes) or of the graph as given.
Result<Report> run_stages(ir::Graph& graph, std::span<const Stage> stages, const Options& options);

}  // namespace slipway::passes

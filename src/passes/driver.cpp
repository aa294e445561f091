#include "passes/driver.hpp"

#include <algorithm>
#include <chrono>

#include "base/format.hpp"
#include "passes/subgraphs.hpp"

namespace slipway::passes {

Uses::Uses(const ir::Graph& graph) : first_(graph.value_count() + 1, 0), output_(graph.value_count(), false) {
  for (ir::ValueId v : graph.outputs()) output_[v] = true;
  const auto each_use = [&](auto&& f) {
    for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
      for (ir::ValueId v : graph.node(id).inputs) {
        if (v != ir::kNone) f(id, v);
      }
    }
  };
  each_use([&](ir::NodeId, ir::ValueId v) { ++first_[v + 1]; });
  for (size_t v = 1; v < first_.size(); ++v) first_[v] += first_[v - 1];
  users_.resize(first_.back());
  std::vector<uint32_t> at(first_.begin(), first_.end() - 1);
  each_use([&](ir::NodeId id, ir::ValueId v) { users_[at[v]++] = id; });
}

namespace {

/// A patch walks over the whole graph. No model of real size comes near this; an absurd one is left as it is then.
constexpr uint64_t kMaxWork = uint64_t{4} << 30;
/// Reasons kept per pass.
constexpr size_t kMaxDeclined = 1000;

class Driver {
 public:
  Driver(std::span<const Stage> stages, const Options& options) : stages_(stages), options_(options) {}

  Status run(ir::Graph& graph, int depth) {
    TRY(ir::infer_all(graph));
    ir::remove_dead_nodes(graph);
    for (const Stage& stage : stages_) {
      if (stage.for_bf16 && !options_.bf16) continue;
      TRY(run_stage(graph, stage));
      if (stage.enters_subgraphs && depth < kMaxSubgraphDepth) {
        TRY(rewrite_subgraphs(graph, [&](ir::Graph& inner) { return run_inner(inner, depth + 1); }));
      }
    }
    return {};
  }

  /// A branch that is never taken need not fit the extents that reach it: one that does not infer stays as it is.
  Status run_inner(ir::Graph& graph, int depth) {
    ir::Graph trial = graph;
    return ir::infer_all(trial) ? run(graph, depth) : Status();
  }

  Report take_report() {
    report_.settled = report_.settled && work_ <= kMaxWork;
    return std::move(report_);
  }

 private:
  bool exhausted() const { return work_ > kMaxWork || (options_.stop_after && report_.patches >= *options_.stop_after); }

  Status run_stage(ir::Graph& graph, const Stage& stage) {
    for (int round = 0; round < stage.rounds; ++round) {
      const size_t before = report_.patches;
      for (const Pass& pass : stage.passes) {
        if (std::find(options_.skip.begin(), options_.skip.end(), pass.name) != options_.skip.end()) continue;
        TRY(run_pass(graph, pass));
      }
      if (report_.patches == before) return {};
    }
    if (stage.rounds > 1) report_.settled = false;
    return {};
  }

  Status run_pass(ir::Graph& graph, const Pass& pass) {
    const auto start = std::chrono::steady_clock::now();
    const size_t before = report_.patches;
    Status done = sweep(graph, pass);
    if (done && report_.patches != before) {
      done = ir::infer_all(graph);
      if (done && options_.verify) done = ir::verify(graph);
    }
    entry(pass).ms += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (!done) return std::move(done).error().with(fmt::format("after pass '{}'", pass.name));
    return {};
  }

  Status sweep(ir::Graph& graph, const Pass& pass) {
    std::vector<ir::NodeId> ids = TRY(graph.topological());
    std::vector<uint32_t> order(graph.node_slots(), 0);
    for (size_t i = 0; i < ids.size(); ++i) order[ids[i]] = static_cast<uint32_t>(i);
    if (pass.backward) std::reverse(ids.begin(), ids.end());
    std::optional<Uses> uses;
    for (ir::NodeId id : ids) {
      if (exhausted()) return {};
      if (!graph.node(id).alive()) continue;
      if (!uses) uses.emplace(graph);
      const Site site{graph, *uses, id, graph.node(id), budget_, order};
      Result<Answer> answer = pass.visit(site);
      if (!answer) {
        decline(pass, site, answer.error().text());
        uses.reset();
      } else if (answer->has_patch()) {
        Status applied = std::move(*answer).take_patch().apply();
        work_ += graph.node_slots() + graph.value_count();
        if (applied) {
          ++report_.patches;
          ++entry(pass).patches;
        } else {
          decline(pass, site, applied.error().text());
        }
        uses.reset();
      } else if (!answer->reason().empty()) {
        decline(pass, site, answer->reason());
      }
    }
    return {};
  }

  PassReport& entry(const Pass& pass) {
    for (PassReport& p : report_.passes) {
      if (p.name == pass.name) return p;
    }
    report_.passes.push_back({pass.name, pass.doc, 0, 0, {}});
    return report_.passes.back();
  }

  void decline(const Pass& pass, const Site& site, std::string reason) {
    std::vector<Declined>& list = entry(pass).declined;
    if (list.size() >= kMaxDeclined) return;
    Declined item{site.node.name, std::move(reason)};
    if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(std::move(item));
  }

  std::span<const Stage> stages_;
  const Options& options_;
  Report report_;
  Budget budget_;
  uint64_t work_ = 0;  ///< nodes and values walked over by patches
};

}  // namespace

Result<Report> run_stages(ir::Graph& graph, std::span<const Stage> stages, const Options& options) {
  Driver driver(stages, options);
  const size_t before = graph.live_nodes();
  TRY(driver.run(graph, 0));
  Report report = driver.take_report();
  report.nodes_before = before;
  report.nodes_after = graph.live_nodes();
  return report;
}

}  // namespace slipway::passes

// Session: one caller's handle: picks or makes the Plan for the given shapes, owns its arena, runs.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/thread_pool.hpp"
#include "ir/value.hpp"
#include "runtime/plan_cache.hpp"

namespace slipway::runtime {

struct StepTime {
  const plan::Step* step;
  double us;
};

struct RunOptions {
  const std::atomic<bool>* cancel = nullptr;  ///< looked at between steps
  std::optional<std::chrono::steady_clock::time_point> deadline;
  std::vector<StepTime>* profile = nullptr;  ///< filled with one entry per step; the steps live as long as `plans`
  std::vector<std::shared_ptr<const plan::Plan>>* plans = nullptr;  ///< every plan that took part
  /// Sees every tensor a step made, by the name of its value; needs plans made with keep_values.
  std::function<void(const std::string&, const Tensor&)> tap;
};

/// What a plan needs to know of these inputs of `graph`, which match it in number; `by_value` as PlanCache::shape_inputs tells.
std::vector<plan::InputDesc> describe(const ir::Graph& graph, std::span<const ir::Value> inputs,
                                      const std::vector<bool>& by_value);

/// Not thread-safe; cheap to make. Many Sessions share one PlanCache.
class Session {
 public:
  Session(std::shared_ptr<const ir::Graph> graph, std::shared_ptr<PlanCache> plans, int threads);
  ~Session();

  /// Runs the graph. `inputs`: one Value per graph input, checked against the declared facts (errors say name, wanted, given).
  /// `outputs`: empty, or one Value per graph output; a Tensor of the right type and extents there is filled in place, anything
  /// else is replaced. On error the outputs are unspecified.
  Status run(std::span<const ir::Value> inputs, std::vector<ir::Value>& outputs, const RunOptions& options = {});

  int threads() const { return team_.size(); }
  size_t arena_bytes() const { return arena_bytes_; }
  const ir::Graph& graph() const { return *graph_; }

 private:
  struct Bound;

  Status check(std::span<const ir::Value> inputs) const;
  Status run_graph(const ir::Graph& graph, std::span<const ir::Value> inputs, std::vector<ir::Value>& outputs,
                   const RunOptions& options);
  Status run_steps(Bound& bound, std::span<const ir::Value> inputs, std::span<Tensor> results, const RunOptions& options);
  Status run_host(const plan::Plan& plan, std::unordered_map<ir::ValueId, ir::Value>& values, const RunOptions& options);
  Result<Bound*> bind(const ir::Graph& graph, std::span<const ir::Value> inputs);
  void reserve(size_t bytes);

  std::shared_ptr<const ir::Graph> graph_;
  std::shared_ptr<PlanCache> plans_;
  Team team_;
  std::shared_ptr<void> arena_;
  size_t arena_bytes_ = 0;
  uint64_t arena_generation_ = 0;
  Signature signature_;
  std::string fault_text_;
  std::map<Signature, std::unique_ptr<Bound>> bound_;
  Bound* latest_ = nullptr;
};

}  // namespace slipway::runtime

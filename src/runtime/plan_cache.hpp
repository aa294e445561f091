// The plans of one Engine, by graph and shape signature, shared by its Sessions; least recently used ones go first.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "plan/plan.hpp"

namespace slipway::runtime {

/// Graph number, then type and extents (and values, where shapes depend on them) of each input.
using Signature = std::vector<int64_t>;

/// Thread-safe.
class PlanCache {
 public:
  struct Limits {
    size_t plans = 256;
    size_t bytes = size_t{64} << 20;  ///< as Plan::bytes() estimates; the latest plan always stays
  };
  explicit PlanCache(plan::PlanOptions options) : PlanCache(std::move(options), Limits()) {}
  PlanCache(plan::PlanOptions options, Limits limits) : options_(std::move(options)), limits_(limits) {}

  /// Finds or makes the plan. Two threads that miss at once may both make it; the first stays.
  Result<std::shared_ptr<const plan::Plan>> get(const Signature& signature, const ir::Graph& graph,
                                                std::span<const plan::InputDesc> inputs);
  /// Which inputs' values belong to the signature; computed once per graph, and there as long as the cache.
  const std::vector<bool>& shape_inputs(const ir::Graph& graph);
  const plan::PlanOptions& options() const { return options_; }
  size_t size() const;
  size_t bytes() const;

 private:
  struct Entry {
    std::shared_ptr<const plan::Plan> plan;
    size_t bytes = 0;
    std::list<const Signature*>::iterator place;
  };
  const plan::PlanOptions options_;
  const Limits limits_;
  mutable std::mutex mutex_;
  std::map<Signature, Entry> plans_;
  size_t bytes_ = 0;
  std::list<const Signature*> recent_;  ///< front: latest
  std::map<uint64_t, std::vector<bool>> shape_inputs_;
};

}  // namespace slipway::runtime

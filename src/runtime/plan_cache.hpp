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
  PlanCache(plan::PlanOptions options, size_t capacity = kDefaultCapacity) : options_(std::move(options)), capacity_(capacity) {}

  /// Finds or makes the plan. Two threads that miss at once may both make it; the first stays.
  Result<std::shared_ptr<const plan::Plan>> get(const Signature& signature, const ir::Graph& graph,
                                                std::span<const plan::InputDesc> inputs);
  /// Which inputs' values belong to the signature; computed once per graph.
  std::vector<bool> shape_inputs(const ir::Graph& graph);
  const plan::PlanOptions& options() const { return options_; }
  size_t size() const;

 private:
  static constexpr size_t kDefaultCapacity = 64;

  struct Entry {
    std::shared_ptr<const plan::Plan> plan;
    std::list<const Signature*>::iterator place;
  };
  const plan::PlanOptions options_;
  const size_t capacity_;
  mutable std::mutex mutex_;
  std::map<Signature, Entry> plans_;
  std::list<const Signature*> recent_;  ///< front: latest
  std::map<uint64_t, std::vector<bool>> shape_inputs_;
};

}  // namespace slipway::runtime

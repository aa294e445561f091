#include "runtime/plan_cache.hpp"

namespace slipway::runtime {

Result<std::shared_ptr<const plan::Plan>> PlanCache::get(const Signature& signature, const ir::Graph& graph,
                                                         std::span<const plan::InputDesc> inputs) {
  {
    const std::lock_guard lock(mutex_);
    const auto at = plans_.find(signature);
    if (at != plans_.end()) {
      recent_.splice(recent_.begin(), recent_, at->second.place);
      return at->second.plan;
    }
  }
  std::shared_ptr<const plan::Plan> made = TRY(plan::make(graph, inputs, options_));
  const std::lock_guard lock(mutex_);
  const auto [at, fresh] = plans_.try_emplace(signature);
  if (!fresh) return at->second.plan;
  recent_.push_front(&at->first);
  at->second = {std::move(made), 0, recent_.begin()};
  bytes_ += at->second.bytes = at->second.plan->bytes();
  std::shared_ptr<const plan::Plan> result = at->second.plan;
  while (plans_.size() > 1 && (plans_.size() > limits_.plans || bytes_ > limits_.bytes)) {
    const auto oldest = plans_.find(*recent_.back());
    bytes_ -= oldest->second.bytes;
    recent_.pop_back();
    plans_.erase(oldest);
  }
  return result;
}

const std::vector<bool>& PlanCache::shape_inputs(const ir::Graph& graph) {
  const std::lock_guard lock(mutex_);
  const auto at = shape_inputs_.find(graph.identity.number());
  if (at != shape_inputs_.end()) return at->second;
  return shape_inputs_.emplace(graph.identity.number(), plan::shape_inputs(graph)).first->second;
}

size_t PlanCache::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

size_t PlanCache::size() const {
  const std::lock_guard lock(mutex_);
  return plans_.size();
}

}  // namespace slipway::runtime

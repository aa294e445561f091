// Packed forms of a model's own constants, shared between plans and sessions.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "plan/plan.hpp"

namespace slipway::engine {

/// Thread-safe. Keys are the constants of the graph it was made for (sub-graphs and group bodies included).
class ModelPackedStore final : public plan::PackedStore {
 public:
  explicit ModelPackedStore(const ir::Graph& graph) { own(graph); }
  Result<tactic::Packed> packed(const Tensor& constant, const tactic::Packing& packing) override;
  size_t bytes() const;

 private:
  void own(const ir::Graph& graph);

  mutable std::mutex mutex_;
  std::map<const void*, std::map<std::string, tactic::Packed>> forms_;  ///< by the constant's bytes, then recipe
};

}  // namespace slipway::engine

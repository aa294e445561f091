// What the convolutions on blocked16 share around their tails: which operands they take, how those stand and are reached.
#pragma once

#include <string>
#include <vector>

#include "kernels/x64/conv/channels.hpp"
#include "kernels/x64/eltwise/tail.hpp"

namespace slipway::conv {

/// Whether every operand of one value a channel is a constant, so that it can be packed; else `reason` says so.
bool packable(const tactic::Query& query, const eltwise::Tail& tail, std::string& reason);

/// Accepts with blocked16 for the output and the full operands, and `input` for the data.
tactic::Verdict blocked_verdict(const tactic::Query& query, const eltwise::Tail& tail, tactic::Format input, double cost_us,
                                std::string recipe);

/// The operands of a tail at run time. Program operand 1 + i is operand i here.
class TailOperands {
 public:
  /// Precondition: packable(). The values of one a channel become fp32 in whole blocks.
  static Result<TailOperands> make(const eltwise::Tail& tail, int64_t channels, tactic::BuildContext& context);
  /// The same with a layout of their own, of fp32 still.
  static Result<TailOperands> make(const eltwise::Tail& tail, const tactic::Packing& packing, tactic::BuildContext& context);

  /// Of the program's operands as they lie for the kernel.
  std::vector<ElementType> types() const;
  size_t size() const { return operands_.size(); }
  bool full(size_t i) const { return operands_[i].lie == eltwise::Lie::full; }
  /// Operand i where the output's element `offset` is, which belongs to (packed) channel `channel`.
  const void* at(const tactic::Exec& exec, size_t i, int64_t channel, int64_t offset) const {
    const Operand& o = operands_[i];
    if (o.packed != nullptr) return o.packed.get() + channel * static_cast<int64_t>(sizeof(float));
    const auto* data = static_cast<const std::byte*>(exec.inputs[o.input]);
    return o.lie == eltwise::Lie::full ? data + byte_size(o.type, offset) : data;
  }

 private:
  struct Operand {
    size_t input;
    eltwise::Lie lie;
    ElementType type;
    tactic::Packed packed;  ///< one value a channel
  };
  std::vector<Operand> operands_;
};

}  // namespace slipway::conv

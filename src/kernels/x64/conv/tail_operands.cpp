#include "kernels/x64/conv/tail_operands.hpp"

namespace slipway::conv {

using eltwise::Lie;
using tactic::Format;

bool packable(const tactic::Query& query, const eltwise::Tail& tail, std::string& reason) {
  for (const eltwise::TailOperand& o : tail.operands) {
    if (o.lie == Lie::channel && query.inputs[o.input].constant == nullptr)
      return reason = "a channel operand that is not constant", false;
  }
  return true;
}

tactic::Verdict blocked_verdict(const tactic::Query& query, const eltwise::Tail& tail, Format input, double cost_us,
                                std::string recipe) {
  tactic::Verdict verdict = tactic::Verdict::yes(cost_us, std::move(recipe));
  verdict.inputs.assign(query.inputs.size(), Format::plain);
  verdict.inputs[0] = input;
  for (const eltwise::TailOperand& o : tail.operands) {
    if (o.lie == Lie::full) verdict.inputs[o.input] = Format::blocked16;
  }
  verdict.outputs = {Format::blocked16};
  return verdict;
}

Result<TailOperands> TailOperands::make(const eltwise::Tail& tail, int64_t channels, tactic::BuildContext& context) {
  TailOperands out;
  for (const eltwise::TailOperand& o : tail.operands) {
    tactic::Packed packed;
    if (o.lie == Lie::channel) packed = TRY(context.pack(o.input, pack_channels(channels, o.type)));
    out.operands_.push_back({o.input, o.lie, o.type, std::move(packed)});
  }
  return out;
}

Result<TailOperands> TailOperands::make(const eltwise::Tail& tail, const tactic::Packing& packing,
                                        tactic::BuildContext& context) {
  TailOperands out;
  for (const eltwise::TailOperand& o : tail.operands) {
    tactic::Packed packed;
    if (o.lie == Lie::channel) packed = TRY(context.pack(o.input, packing));
    out.operands_.push_back({o.input, o.lie, o.type, std::move(packed)});
  }
  return out;
}

std::vector<ElementType> TailOperands::types() const {
  std::vector<ElementType> types{ElementType::f32};
  for (const Operand& o : operands_) types.push_back(o.packed != nullptr ? ElementType::f32 : o.type);
  return types;
}

}  // namespace slipway::conv

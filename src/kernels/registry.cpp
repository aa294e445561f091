#include "kernels/registry.hpp"

namespace slipway::kernels {

const tactic::TacticList& all() {
  static const tactic::TacticList list = [] {
    tactic::TacticList out;
    for (tactic::TacticList (*make)() : tactic_lists()) {
      for (tactic::Tactic& tactic : make()) out.push_back(std::move(tactic));
    }
    return out;
  }();
  return list;
}

}  // namespace slipway::kernels

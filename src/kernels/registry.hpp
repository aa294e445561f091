// Every tactic, best rooms first (x64, portable, ref); found by file name, the table is generated.
#pragma once

#include <span>

#include "tactic/tactic.hpp"

namespace slipway::kernels {

std::span<tactic::TacticList (*const)()> tactic_lists();
/// All tactics in list order; the reference is last. Lives as long as the process.
const tactic::TacticList& all();

}  // namespace slipway::kernels

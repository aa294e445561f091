// How much work a step is: floating-point operations and bytes moved, for profiles and explain.
#pragma once

#include "plan/plan.hpp"

namespace slipway::plan {

/// Sets flops (multiply and add counted apart; matrix products and convolutions only, elementwise 1 each), bytes (inputs,
/// constants and outputs once; of what is gathered only as much as is taken) and constant_bytes.
void describe_work(const tactic::Query& query, Step& step);

}  // namespace slipway::plan

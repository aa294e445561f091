// Per-step times of a session.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "runtime/session.hpp"

namespace slipway::cli {

struct StepProfile {
  std::string name, op, tactic, recipe;
  double us = 0;  ///< median over the runs
  double flops = 0, bytes = 0;
};

/// Runs `rounds` times after a warm-up and takes the median of each step.
Result<std::vector<StepProfile>> profile(runtime::Session& session, const std::vector<ir::Value>& inputs, int rounds = 10);
/// profile() as a JSON file; a table of the slowest steps on stdout.
Status profile_to_file(runtime::Session& session, const std::vector<ir::Value>& inputs, const std::string& path);

}  // namespace slipway::cli

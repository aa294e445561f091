// Per-step times of a session, held against the machine's roofs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "kernels/x64/roof/roof.hpp"
#include "runtime/session.hpp"

namespace slipway::cli {

struct StepProfile {
  const plan::Step* step = nullptr;  ///< of one of Profile::plans
  double us = 0;                     ///< median over the runs
  double limit_us = 0;               ///< what the roof that binds the step allows; 0 when the machine's roofs are not known
  std::string bound;                 ///< "compute", or the level of memory that feeds the step

  /// Share of the roof that the step reaches, 0 to 1 (above 1 where the roof is blurred: data still in a nearer cache).
  double of_roof() const { return us > 0 ? limit_us / us : 0; }
};

struct Profile {
  double run_us = 0;  ///< median of whole runs with no clock between the steps
  std::vector<StepProfile> steps;
  std::vector<std::shared_ptr<const plan::Plan>> plans;
  roof::Roof roof;
  size_t arena_bytes = 0;

  double steps_us() const;
  double limit_us() const;
  double flops() const;
};

/// Runs `rounds` times after a warm-up and takes the medians. A step's limit is the greater of flops over the multiply-add peak
/// and bytes over bandwidth: constants come from the level that holds all constants of the model, the rest from the level that
/// holds the step's activations (the roofline model of Williams, Waterman and Patterson, 2009).
Result<Profile> profile(runtime::Session& session, const std::vector<ir::Value>& inputs, Isa isa, int rounds = 10);
/// Every step as one JSON object.
Status write_profile(const Profile& profile, const std::string& path);
/// A table of the slowest steps on stdout.
void print_profile(const Profile& profile, size_t rows = 25);

}  // namespace slipway::cli

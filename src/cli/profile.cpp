#include "cli/profile.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "base/format.hpp"

namespace slipway::cli {

Result<std::vector<StepProfile>> profile(runtime::Session& session, const std::vector<ir::Value>& inputs, int rounds) {
  std::vector<StepProfile> steps;
  std::vector<std::vector<double>> times;
  for (int round = -1; round < rounds; ++round) {
    std::vector<runtime::StepTime> timed;
    std::vector<std::shared_ptr<const plan::Plan>> plans;
    std::vector<ir::Value> outputs;
    runtime::RunOptions options;
    options.profile = &timed;
    options.plans = &plans;
    TRY(session.run(inputs, outputs, options));
    if (round < 0) continue;
    if (steps.size() != timed.size()) {  // the first counted round; data-dependent models may take other steps later
      steps.clear();
      times.assign(timed.size(), {});
      for (const runtime::StepTime& t : timed) {
        steps.push_back({t.step->name, t.step->op, std::string(t.step->tactic), t.step->recipe, 0, t.step->flops, t.step->bytes});
      }
    }
    for (size_t i = 0; i < timed.size(); ++i) times[i].push_back(timed[i].us);
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    std::nth_element(times[i].begin(), times[i].begin() + static_cast<std::ptrdiff_t>(times[i].size() / 2), times[i].end());
    steps[i].us = times[i][times[i].size() / 2];
  }
  return steps;
}

Status profile_to_file(runtime::Session& session, const std::vector<ir::Value>& inputs, const std::string& path) {
  const std::vector<StepProfile> steps = TRY(profile(session, inputs));
  double total = 0;
  std::ofstream out(path);
  out << "{\"steps\":[";
  for (size_t i = 0; i < steps.size(); ++i) {
    const StepProfile& s = steps[i];
    total += s.us;
    out << fmt::format(
        "{}\n{{\"name\":\"{}\",\"op\":\"{}\",\"tactic\":\"{}\",\"us\":{:.3f},\"gflops\":{:.2f},\"gbytes\":{:.2f}}}",
        i == 0 ? "" : ",", s.name, s.op, s.tactic, s.us, s.flops / s.us / 1e3, s.bytes / s.us / 1e3);
  }
  out << fmt::format("\n],\"total_us\":{:.3f}}}\n", total);
  out.close();
  if (!out) return fail(ErrorCode::io, "{}: cannot be written", path);
  std::vector<const StepProfile*> slowest;
  for (const StepProfile& s : steps) slowest.push_back(&s);
  std::sort(slowest.begin(), slowest.end(), [](const StepProfile* a, const StepProfile* b) { return a->us > b->us; });
  constexpr size_t kShown = 25;
  std::printf("%10s %6s %9s %8s  %-28s %-18s %s\n", "us", "share", "GFLOP/s", "GB/s", "tactic", "op", "node");
  for (size_t i = 0; i < std::min(kShown, slowest.size()); ++i) {
    const StepProfile& s = *slowest[i];
    std::printf("%10.1f %5.1f%% %9.1f %8.1f  %-28s %-18s %s\n", s.us, 100 * s.us / total, s.flops / s.us / 1e3,
                s.bytes / s.us / 1e3, s.tactic.c_str(), s.op.c_str(), s.name.c_str());
  }
  std::printf("%10.1f us in %zu steps\n", total, steps.size());
  return {};
}

}  // namespace slipway::cli

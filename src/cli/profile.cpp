#include "cli/profile.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "base/format.hpp"
#include "cli/json.hpp"

namespace slipway::cli {
namespace {

double median(std::vector<double>& values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

void set_limits(Profile& profile) {
  if (!profile.roof.known()) return;
  double constants = 0;
  for (const StepProfile& s : profile.steps) constants += s.step->constant_bytes;
  const roof::Level& weights = profile.roof.holding(constants);
  for (StepProfile& s : profile.steps) {
    const double moved = s.step->bytes - s.step->constant_bytes;
    const roof::Level& near = profile.roof.holding(moved);
    const double weights_us = s.step->constant_bytes / weights.bytes_per_us, moved_us = moved / near.bytes_per_us;
    const double compute_us = s.step->flops / profile.roof.flops_per_us;
    s.limit_us = std::max(compute_us, weights_us + moved_us);
    s.bound = compute_us >= weights_us + moved_us ? "compute" : weights_us > moved_us ? weights.name : near.name;
  }
}

}  // namespace

double Profile::steps_us() const {
  double sum = 0;
  for (const StepProfile& s : steps) sum += s.us;
  return sum;
}

double Profile::limit_us() const {
  double sum = 0;
  for (const StepProfile& s : steps) sum += s.limit_us;
  return sum;
}

double Profile::flops() const {
  double sum = 0;
  for (const StepProfile& s : steps) sum += s.step->flops;
  return sum;
}

Result<Profile> profile(runtime::Session& session, const std::vector<ir::Value>& inputs, Isa isa, int rounds) {
  using Clock = std::chrono::steady_clock;
  Profile result;
  {
    Team team(session.threads());
    result.roof = roof::measure(team, isa);
  }
  std::vector<ir::Value> outputs;
  std::vector<double> runs;
  std::vector<std::vector<double>> times;
  for (int round = -1; round < rounds; ++round) {
    const Clock::time_point begin = Clock::now();
    TRY(session.run(inputs, outputs));
    if (round >= 0) runs.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    std::vector<runtime::StepTime> timed;
    std::vector<std::shared_ptr<const plan::Plan>> plans;
    runtime::RunOptions options;
    options.profile = &timed;
    options.plans = &plans;
    TRY(session.run(inputs, outputs, options));
    if (round < 0) continue;
    if (result.steps.size() != timed.size()) {  // the first counted round; data-dependent models may take other steps later
      result.steps.clear();
      times.assign(timed.size(), {});
      for (const runtime::StepTime& t : timed) result.steps.push_back({t.step, 0, 0, {}});
      result.plans = plans;
    }
    for (size_t i = 0; i < timed.size(); ++i) times[i].push_back(timed[i].us);
  }
  for (size_t i = 0; i < result.steps.size(); ++i) result.steps[i].us = median(times[i]);
  result.run_us = median(runs);
  result.arena_bytes = session.arena_bytes();
  set_limits(result);
  return result;
}

Status write_profile(const Profile& profile, const std::string& path) {
  std::ofstream out(path);
  out << fmt::format(
      "{{\"run_us\":{:.3f},\"total_us\":{:.3f},\"limit_us\":{:.3f},\"threads\":{},\"peak_gflops\":{:.2f},\"steps\":[",
      profile.run_us, profile.steps_us(), profile.limit_us(), profile.roof.threads, profile.roof.flops_per_us / 1e3);
  const char* separator = "";
  for (const StepProfile& s : profile.steps) {
    out << fmt::format(
        "{}\n{{\"name\":{},\"op\":{},\"tactic\":{},\"recipe\":{},\"us\":{:.3f},\"flops\":{:.0f},\"bytes\":{:.0f},"
        "\"constant_bytes\":{:.0f},\"gflops\":{:.2f},\"gbytes\":{:.2f},\"limit_us\":{:.3f},\"bound\":\"{}\"}}",
        separator, json_text(s.step->name), json_text(s.step->op), json_text(s.step->tactic), json_text(s.step->recipe), s.us,
        s.step->flops, s.step->bytes, s.step->constant_bytes, s.step->flops / s.us / 1e3, s.step->bytes / s.us / 1e3, s.limit_us,
        s.bound);
    separator = ",";
  }
  out << "\n]}\n";
  out.close();
  if (!out) return fail(ErrorCode::io, "{}: cannot be written", path);
  return {};
}

void print_profile(const Profile& profile, size_t rows) {
  std::vector<const StepProfile*> slowest;
  for (const StepProfile& s : profile.steps) slowest.push_back(&s);
  std::sort(slowest.begin(), slowest.end(), [](const StepProfile* a, const StepProfile* b) { return a->us > b->us; });
  const double total = profile.steps_us();
  std::printf("%10s %6s %9s %8s %6s %-8s %-28s %-18s %s\n", "us", "share", "GFLOP/s", "GB/s", "roof", "bound", "tactic", "op",
              "node");
  for (size_t i = 0; i < std::min(rows, slowest.size()); ++i) {
    const StepProfile& s = *slowest[i];
    std::printf("%10.1f %5.1f%% %9.1f %8.1f %5.0f%% %-8s %-28s %-18s %s\n", s.us, 100 * s.us / total, s.step->flops / s.us / 1e3,
                s.step->bytes / s.us / 1e3, 100 * s.of_roof(), s.bound.c_str(), std::string(s.step->tactic).c_str(),
                s.step->op.c_str(), s.step->name.c_str());
  }
  if (slowest.size() > rows) std::printf("%10s and %zu more steps\n", "...", slowest.size() - rows);
  std::printf("%10.1f us in %zu steps, %.1f us a run", total, profile.steps.size(), profile.run_us);
  if (profile.roof.known()) {
    std::printf("; the roofs of %d thread%s (%.0f GFLOP/s", profile.roof.threads, profile.roof.threads == 1 ? "" : "s",
                profile.roof.flops_per_us / 1e3);
    for (const roof::Level& level : profile.roof.levels) {
      std::printf(", %s %.0f GB/s", level.name.c_str(), level.bytes_per_us / 1e3);
    }
    std::printf(") allow %.1f us", profile.limit_us());
  }
  std::printf("\n");
}

}  // namespace slipway::cli

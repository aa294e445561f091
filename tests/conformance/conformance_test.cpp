// Every tactic on every sample of every operator it may accept, under the ISA cap of this run (SLIPWAY_MAX_ISA), one and two
// threads, inputs standing plain and in other formats.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "conformance/harness.hpp"
#include "kernels/registry.hpp"
#include "ops/registry.hpp"
#include "tactic/accepts.hpp"

namespace slipway::conformance {
namespace {

struct Way {
  int threads;
  tactic::Format standing;
};
constexpr Way kWays[] = {
    {1, tactic::Format::plain}, {2, tactic::Format::plain}, {2, tactic::Format::blocked16}, {1, tactic::Format::channels_last}};

TEST(Conformance, EveryTacticOnEverySample) {
  const Isa cap = detected_isa();
  std::map<std::string, int> accepted;
  for (const ops::Op* op : ops::all()) {
    std::vector<ops::Sample> samples = op->make_samples();
    for (size_t i = 0, plain = samples.size(); i < plain; ++i) {
      if (std::optional<ops::Sample> narrow = in_bf16(*op, samples[i])) samples.push_back(*std::move(narrow));
    }
    for (const ops::Sample& sample : samples) {
      const Result<Subject> subject = subject_of(*op, sample);
      if (!subject && subject.error().code == ErrorCode::unsupported) continue;
      if (!subject) {
        ADD_FAILURE() << op->name << "/" << sample.label << ": " << subject.error().text();
        continue;
      }
      for (const tactic::Tactic& tactic : kernels::all()) {
        if (tactic.isa > cap || !tactic::lists(tactic, *op)) continue;
        if (op->has(ir::OpInfo::kDataDependent) || op->has(ir::OpInfo::kHasSubgraph)) continue;  // the host lane's
        for (const auto& [threads, standing] : kWays) {
          const Report report = check(*subject, tactic, cap, threads, standing);
          if (report.outcome == Outcome::failed) {
            ADD_FAILURE() << tactic.name << " on " << subject->label << ", " << threads << " threads, inputs "
                          << tactic::name(standing) << ": " << report.text;
          }
          if (report.outcome == Outcome::passed) ++accepted[std::string(tactic.name)];
        }
      }
    }
  }
  // A tactic that accepts nothing is not tested at all.
  for (const tactic::Tactic& tactic : kernels::all()) {
    if (tactic.isa > cap || tactic.ops.front() == "Reorder") continue;
    EXPECT_GT(accepted[std::string(tactic.name)] + (tactic::lists(tactic, *ops::get("Group", "slipway")) ? 1 : 0), 0)
        << tactic.name << " accepted no sample: add one to its operator";
    std::printf("%-32s %d runs\n", std::string(tactic.name).c_str(), accepted[std::string(tactic.name)]);
  }
}

}  // namespace
}  // namespace slipway::conformance

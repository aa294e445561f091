// Sums over a million elements lose no more than sums over a few: partial results must not swallow what comes late.
#include <gtest/gtest.h>

#include <algorithm>

#include "conformance/harness.hpp"
#include "kernels/registry.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"

namespace slipway::conformance {
namespace {

/// The same everywhere: its rounding errors all point one way.
constexpr double kValue = 0.9117;
/// Each way that a kernel may walk: along neighbours, down columns of 16 and of 10, over pixels.
const Dims kShapes[] = {{1, 1, 1024, 1024}, {1, 16, 512, 512}, {1, 10, 300, 300}};

TEST(Conformance, LongSums) {
  const Isa cap = detected_isa();
  for (const std::string_view op : {"ReduceSum", "ReduceMean", "ReduceL2", "ReduceSumSquare", "ReduceL1", "GlobalAveragePool"}) {
    for (const Dims& dims : kShapes) {
      for (const int64_t axis : {2, 3}) {
        const bool pool = op == "GlobalAveragePool";
        ops::Sample sample{"long", ir::Attrs(ops::get(op)->OpInfo::attrs), {{ops::sample::random(dims, kValue, kValue)}}, 1};
        const Tensor axes = axis == 2 ? ops::sample::ints({0, 2, 3}) : ops::sample::ints({0, 1, 2});
        if (!pool) sample.inputs.push_back(ops::sample::constant(axes));
        const Result<Subject> subject = subject_of(*ops::get(op), sample);
        ASSERT_TRUE(subject) << subject.error().text();
        for (const tactic::Tactic& tactic : kernels::all()) {
          if (tactic.isa > cap || std::find(tactic.ops.begin(), tactic.ops.end(), op) == tactic.ops.end()) continue;
          for (const auto standing : {tactic::Format::plain, tactic::Format::blocked16}) {
            const Report report = check(*subject, tactic, cap, 2, standing);
            EXPECT_NE(report.outcome, Outcome::failed) << tactic.name << ", " << op << " of " << to_string(dims) << ", "
                                                       << tactic::name(standing) << ": " << report.text;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace slipway::conformance

// Infinities, NaN and denormals among the inputs: every tactic answers what the reference answers, element by element.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "base/low_precision.hpp"
#include "conformance/harness.hpp"
#include "kernels/registry.hpp"
#include "ops/registry.hpp"
#include "tactic/accepts.hpp"

namespace slipway::conformance {
namespace {

struct Special {
  const char* name;
  double value;
};
constexpr std::array kSpecials = {
    Special{"nan", std::numeric_limits<double>::quiet_NaN()}, Special{"inf", std::numeric_limits<double>::infinity()},
    Special{"-inf", -std::numeric_limits<double>::infinity()}, Special{"denormal", 3e-41}, Special{"-0", -0.0}};

/// Sets two places of input `i`; false: it is a constant, no float tensor or empty.
bool strew(ops::Sample& sample, size_t i, double value) {
  ops::SampleInput& input = sample.inputs[i];
  const Tensor* t = input.value.tensor();
  if (t == nullptr || input.constant || t->count() == 0) return false;
  if (t->type() != ElementType::f32 && t->type() != ElementType::f16 && t->type() != ElementType::bf16) return false;
  Tensor copy = t->clone();
  for (const int64_t at : {t->count() / 3, t->count() - 1}) store_double(copy.data(), copy.type(), at, value);
  input.value = std::move(copy);
  return true;
}

/// Where what is not finite reaches other outputs than the reference says: Winograd's transforms mix the inputs of a tile before
/// they multiply, a fast Fourier transform those of a line, merged groups multiply each other's inputs by zero, and padding of
/// zeros is multiplied by weights that are known at run time only.
bool spreads(const tactic::Tactic& tactic, size_t input) {
  return tactic.name.starts_with("x64.winograd") || tactic.name == "portable.fft" || tactic.name == "x64.conv_merged" ||
         (tactic.name == "x64.conv_general" && input == 1);
}

TEST(Specials, EveryTacticAnswersAsTheReference) {
  const Isa cap = detected_isa();
  int runs = 0;
  const auto check_all = [&](const ops::Op& op, const ops::Sample& sample, size_t input, const Special& special) {
    const Result<Subject> subject = subject_of(op, sample);
    if (!subject) return;
    for (const tactic::Tactic& tactic : kernels::all()) {
      if (tactic.isa > cap || !tactic::lists(tactic, op) || tactic.name == "ref") continue;
      if (spreads(tactic, input) && !std::isfinite(special.value)) continue;
      const Report report = check(*subject, tactic, cap, 1, tactic::Format::plain);
      runs += report.outcome == Outcome::passed ? 1 : 0;
      if (report.outcome == Outcome::failed) {
        ADD_FAILURE() << tactic.name << " on " << subject->label << " with " << special.name << " in input " << input << ": "
                      << report.text;
      }
    }
  };
  for (const ops::Op* op : ops::all()) {
    if (op->has(ir::OpInfo::kDataDependent) || op->has(ir::OpInfo::kHasSubgraph)) continue;
    for (const ops::Sample& plain : op->make_samples()) {
      for (size_t input = 0; input < plain.inputs.size(); ++input) {
        for (const Special& special : kSpecials) {
          ops::Sample sample = plain;
          if (!strew(sample, input, special.value)) break;
          check_all(*op, sample, input, special);
        }
      }
    }
  }
  EXPECT_GT(runs, 1000);
}

}  // namespace
}  // namespace slipway::conformance

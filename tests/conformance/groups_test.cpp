// Every tactic on fused groups of every kind: what passes make of small graphs, against the reference, which runs the body.
#include <gtest/gtest.h>

#include <map>

#include "conformance/harness.hpp"
#include "ir/text.hpp"
#include "kernels/registry.hpp"
#include "ops/group.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"
#include "passes/pipeline.hpp"

namespace slipway::conformance {
namespace {

struct Sketch {
  std::string_view kind, label, text;
};
constexpr Sketch kSketches[] = {
    {"squeeze_excite", "few_channels", R"(
      input %x: f32[2,5,3,7]
      %w1 = const f32[2,5,1,1] random(1)
      %b1 = const f32[2] random(2)
      %w2 = const f32[5,2,1,1] random(3)
      %b2 = const f32[5] random(4)
      %p = GlobalAveragePool(%x)
      %c1 = Conv(%p, %w1, %b1)
      %a1 = Relu(%c1)
      %c2 = Conv(%a1, %w2, %b2)
      %a2 = HardSigmoid(%c2)
      %y = Mul(%x, %a2)
      output %y)"},
    {"squeeze_excite", "blocks", R"(
      input %x: f32[1,37,9,8]
      %w1 = const f32[18,37,1,1] random(1)
      %w2 = const f32[37,18,1,1] random(3)
      %b2 = const f32[37] random(4)
      %p = GlobalAveragePool(%x)
      %c1 = Conv(%p, %w1)
      %a1 = Swish(%c1)
      %c2 = Conv(%a1, %w2, %b2)
      %a2 = Sigmoid(%c2)
      %y = Mul(%a2, %x)
      output %y)"},
    {"squeeze_excite", "residual", R"(
      input %x: f32[3,32,33]
      %w1 = const f32[8,32,1] random(1)
      %w2 = const f32[32,8,1] random(3)
      %low = const f32[]{-0.5}
      %p = GlobalAveragePool(%x)
      %c1 = Conv(%p, %w1)
      %a1 = Clip(%c1, %low)
      %c2 = Conv(%a1, %w2)
      %a2 = Tanh(%c2)
      %m = Mul(%x, %a2)
      %y = Add(%x, %m)
      output %y)"},
    {"conv", "bias_relu_residual", R"(
      input %x: f32[1,20,9,10]
      input %r: f32[1,36,9,10]
      %w = const f32[36,20,3,3] random(1)
      %b = const f32[36] random(2)
      %c = Conv(%x, %w, %b) {pads=[1, 1, 1, 1]}
      %s = Add(%c, %r)
      %y = Relu(%s)
      output %y)"},
    {"conv", "depthwise_scaled", R"(
      input %x: f32[2,24,7,7]
      %w = const f32[24,1,3,3] random(1)
      %k = const f32[24,1,1] random(2)
      %c = Conv(%x, %w) {group=24, pads=[1, 1, 1, 1], strides=[2, 2]}
      %s = Mul(%c, %k)
      %y = HardSwish(%s)
      output %y)"},
    {"conv", "line", R"(
      input %x: f32[1,6,40]
      %w = const f32[10,6,5] random(1)
      %c = Conv(%x, %w) {dilations=[2]}
      %y = LeakyRelu(%c) {alpha=0.2}
      output %y)"},
    {"conv_transpose", "relu", R"(
      input %x: f32[1,12,5,6]
      %w = const f32[12,17,4,4] random(1)
      %c = ConvTranspose(%x, %w) {strides=[2, 2], pads=[1, 1, 1, 1]}
      %y = Relu(%c)
      output %y)"},
    {"matmul", "bias_gelu", R"(
      input %x: f32[3,11,40]
      %w = const f32[40,50] random(1)
      %b = const f32[50] random(2)
      %m = MatMul(%x, %w)
      %s = Add(%b, %m)
      %y = Gelu(%s)
      output %y)"},
    {"matmul", "residual", R"(
      input %x: f32[7,24]
      input %r: f32[7,33]
      %w = const f32[24,33] random(1)
      %m = MatMul(%x, %w)
      %y = Sub(%r, %m)
      output %y)"},
    {"gemm", "relu", R"(
      input %x: f32[5,24]
      %w = const f32[18,24] random(1)
      %b = const f32[18] random(2)
      %m = Gemm(%x, %w, %b) {transB=1}
      %y = Relu(%m)
      output %y)"},
    {"eltwise", "broadcast", R"(
      input %x: f32[2,18,5,5]
      input %g: f32[2,18,1,1]
      input %row: f32[5]
      %m = Mul(%x, %g)
      %e = Exp(%m)
      %s = Add(%e, %row)
      %y = Div(%s, %x)
      output %y)"},
    {"attention", "split", R"(
      input %qkv: f32[2,9,96]
      input %mask: f32[9,9]
      %q, %k, %v = Split(%qkv) {axis=-1, num_outputs=3}
      %y = Attention(%q, %k, %v, %mask) {q_num_heads=2, kv_num_heads=2, scale=0.3}
      output %y)"},
};

/// The only group that the passes make of the sketch.
Result<Subject> subject_of_sketch(const Sketch& sketch) {
  ir::Graph graph = TRY(ir::parse(sketch.text, ops::lookup));
  TRY(passes::run(graph, {}));
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
    const ops::GroupAttrs* group = graph.node(id).alive() ? ops::group_of(graph.node(id)) : nullptr;
    if (group == nullptr || group->kind != sketch.kind) continue;
    std::vector<ir::Value> inputs;
    for (const ir::ValueId v : graph.node(id).inputs) {
      const ir::ValueInfo& value = graph.value(v);
      inputs.emplace_back(value.is_constant()
                              ? value.constant
                              : ops::sample::random(value.fact.type, value.fact.dims(), -2, 2, inputs.size() + 1));
    }
    return subject_of_node(graph, id, std::move(inputs), ops::Tolerance::rounding, std::string(sketch.label));
  }
  return fail(ErrorCode::internal, "the passes make no {} group", sketch.kind);
}

TEST(Conformance, EveryTacticOnEveryGroup) {
  const Isa cap = detected_isa();
  std::map<std::string_view, int> accepted;
  for (const Sketch& sketch : kSketches) {
    const Result<Subject> subject = subject_of_sketch(sketch);
    ASSERT_TRUE(subject) << sketch.kind << "/" << sketch.label << ": " << subject.error().text();
    for (const tactic::Tactic& tactic : kernels::all()) {
      if (tactic.isa > cap ||
          (tactic.ops.front() != "*" && std::find(tactic.ops.begin(), tactic.ops.end(), "Group") == tactic.ops.end()))
        continue;
      for (const int threads : {1, 2}) {
        for (const auto standing : {tactic::Format::plain, tactic::Format::blocked16, tactic::Format::channels_last}) {
          const Report report = check(*subject, tactic, cap, threads, standing);
          EXPECT_NE(report.outcome, Outcome::failed)
              << tactic.name << " on " << sketch.kind << "/" << sketch.label << ", " << threads << " threads, inputs "
              << tactic::name(standing) << ": " << report.text;
          if (report.outcome == Outcome::passed && tactic.name != "ref") ++accepted[sketch.kind];
        }
      }
    }
  }
  if (cap < Isa::avx2) return;  // there a plan splits them
  for (const Sketch& sketch : kSketches) EXPECT_GT(accepted[sketch.kind], 0) << "no tactic takes a group of kind " << sketch.kind;
}

}  // namespace
}  // namespace slipway::conformance

// Blocks of well-known networks shrink to the number of steps that they are worth.
#include <gtest/gtest.h>

#include <map>

#include "ir/text.hpp"
#include "ops/group.hpp"
#include "ops/registry.hpp"
#include "passes/pipeline.hpp"

namespace slipway::passes {
namespace {

/// Nodes that do something, by operator or kind of group.
std::map<std::string, int> steps(std::string_view text) {
  auto graph = ir::parse(text, ops::lookup);
  EXPECT_TRUE(graph) << graph.error().text();
  const auto report = run(*graph);
  EXPECT_TRUE(report) << report.error().text();
  EXPECT_TRUE(report->settled);
  std::map<std::string, int> out;
  for (ir::NodeId id = 0; id < graph->node_slots(); ++id) {
    const ir::Node& node = graph->node(id);
    if (!node.alive() || node.op->has(ir::OpInfo::kView)) continue;
    const ops::GroupAttrs* group = ops::group_of(node);
    ++out[group != nullptr ? group->kind : std::string(node.op->name)];
  }
  return out;
}

using Steps = std::map<std::string, int>;

TEST(Blocks, ResidualBottleneckIsFourConvolutions) {
  EXPECT_EQ(steps(R"(
    input %x: f32[N,8,7,7]
    %w1 = const f32[4,8,1,1] random(1)
    %w2 = const f32[4,4,3,3] random(2)
    %w3 = const f32[16,4,1,1] random(3)
    %w4 = const f32[16,8,1,1] random(4)
    %s = const f32[16] random(5)
    %v = const f32[16] ones
    %c1 = Conv(%x, %w1)
    %r1 = Relu(%c1)
    %c2 = Conv(%r1, %w2) {pads=[1, 1, 1, 1], strides=[2, 2]}
    %r2 = Relu(%c2)
    %c3 = Conv(%r2, %w3)
    %b3 = BatchNormalization(%c3, %s, %s, %s, %v)
    %d = Conv(%x, %w4) {strides=[2, 2]}
    %bd = BatchNormalization(%d, %s, %s, %s, %v)
    %sum = Add(%b3, %bd)
    %y = Relu(%sum)
    output %y
  )"),
            (Steps{{"conv", 3}, {"Conv", 1}}));
}

TEST(Blocks, InvertedResidualIsThreeConvolutions) {
  EXPECT_EQ(steps(R"(
    input %x: f32[N,4,7,7]
    %w1 = const f32[24,4,1,1] random(1)
    %w2 = const f32[24,1,3,3] random(2)
    %w3 = const f32[4,24,1,1] random(3)
    %zero = const f32[]{0}
    %six = const f32[]{6}
    %c1 = Conv(%x, %w1)
    %a1 = Clip(%c1, %zero, %six)
    %c2 = Conv(%a1, %w2) {group=24, pads=[1, 1, 1, 1]}
    %a2 = Clip(%c2, %zero, %six)
    %c3 = Conv(%a2, %w3)
    %y = Add(%x, %c3)
    output %y
  )"),
            (Steps{{"conv", 3}}));
}

TEST(Blocks, TransformerLayerIsSevenSteps) {
  EXPECT_EQ(steps(R"(
    input %x: f32[N,L,8]
    %g = const f32[8] ones
    %wqkv = const f32[8,24] random(1)
    %bqkv = const f32[24] random(2)
    %wp = const f32[8,8] random(3)
    %w1 = const f32[8,32] random(4)
    %b1 = const f32[32] random(5)
    %w2 = const f32[32,8] random(6)
    %shape = Shape(%x)
    %i0 = const i64[1]{0}
    %i1 = const i64[1]{1}
    %n = Gather(%shape, %i0)
    %l = Gather(%shape, %i1)
    %parts = const i64[3]{3,2,4}
    %width = const i64[1]{8}
    %split_to = Concat(%n, %l, %parts) {axis=0}
    %join_to = Concat(%n, %l, %width) {axis=0}
    %ln1 = LayerNormalization(%x, %g)
    %qkv0 = MatMul(%ln1, %wqkv)
    %qkv = Add(%bqkv, %qkv0)
    %five = Reshape(%qkv, %split_to)
    %per_head = Transpose(%five) {perm=[2, 0, 3, 1, 4]}
    %q5, %k5, %v5 = Split(%per_head) {num_outputs=3}
    %q = Squeeze(%q5, %i0)
    %k = Squeeze(%k5, %i0)
    %v = Squeeze(%v5, %i0)
    %kt = Transpose(%k) {perm=[0, 1, 3, 2]}
    %two = const f32[]{2}
    %scores = MatMul(%q, %kt)
    %scaled = Div(%scores, %two)
    %p = Softmax(%scaled)
    %pv = MatMul(%p, %v)
    %back = Transpose(%pv) {perm=[0, 2, 1, 3]}
    %joined = Reshape(%back, %join_to)
    %proj = MatMul(%joined, %wp)
    %x1 = Add(%x, %proj)
    %ln2 = LayerNormalization(%x1, %g)
    %f1 = MatMul(%ln2, %w1)
    %f1b = Add(%f1, %b1)
    %root = const f32[]{1.4142135}
    %one = const f32[]{1}
    %half = const f32[]{0.5}
    %d = Div(%f1b, %root)
    %e = Erf(%d)
    %e1 = Add(%e, %one)
    %m = Mul(%f1b, %e1)
    %act = Mul(%m, %half)
    %f2 = MatMul(%act, %w2)
    %y = Add(%x1, %f2)
    output %y
  )"),
            (Steps{{"LayerNormalization", 2}, {"matmul", 4}, {"attention", 1}}));
}

TEST(Blocks, SqueezeAndExciteIsOneStep) {
  EXPECT_EQ(steps(R"(
    input %x: f32[N,8,H,W]
    %w0 = const f32[8,1,3,3] random(1)
    %w1 = const f32[2,8,1,1] random(2)
    %w2 = const f32[8,2,1,1] random(3)
    %c = Conv(%x, %w0) {group=8, pads=[1, 1, 1, 1]}
    %cs = Sigmoid(%c)
    %a = Mul(%c, %cs)
    %p = GlobalAveragePool(%a)
    %c1 = Conv(%p, %w1)
    %s1 = Sigmoid(%c1)
    %a1 = Mul(%c1, %s1)
    %c2 = Conv(%a1, %w2)
    %g = Sigmoid(%c2)
    %y = Mul(%a, %g)
    output %y
  )"),
            (Steps{{"conv", 1}, {"squeeze_excite", 1}}));
}

}  // namespace
}  // namespace slipway::passes

// Every tactic on fused groups: each kind of main operator under tails with operands like the result (a residual), of one value a
// channel, and none, made by the passes as in a real model.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "base/format.hpp"
#include "conformance/harness.hpp"
#include "kernels/registry.hpp"
#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/group.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"
#include "passes/pipeline.hpp"

namespace slipway::conformance {
namespace {

namespace sample = ops::sample;

/// A main operator and the tensors it takes: input 0 runs, the others are constants.
struct Main {
  std::string label, op;
  ir::Attrs attrs;
  Dims x;
  std::vector<Dims> constants;
  Dims channel;  ///< of an operand of one value a channel
};

enum class Way : uint8_t { plain, residual, channel };

struct TailNode {
  std::string op;
  Way operand = Way::plain;
};

struct TailCase {
  std::string label;
  std::vector<TailNode> nodes;
};

std::vector<Main> mains() {
  const auto conv = [](std::string label, ops::ConvAttrs a, const Dims& x, const Dims& w) {
    return Main{std::move(label), "Conv", ir::Attrs(std::move(a)), x, {w, {w[0]}}, {w[0], 1, 1}};
  };
  const auto transposed = [](std::string label, ops::ConvTransposeAttrs a, const Dims& x, const Dims& w) {
    return Main{std::move(label), "ConvTranspose", ir::Attrs(std::move(a)), x, {w, {w[1]}}, {w[1], 1, 1}};
  };
  const ops::ConvAttrs same{.pads = {1, 1, 1, 1}};
  return {
      conv("k1", {}, {2, 32, 6, 7}, {40, 32, 1, 1}),
      conv("k3", same, {2, 20, 13, 9}, {40, 20, 3, 3}),
      conv("k3_wide", same, {1, 48, 24, 31}, {17, 48, 3, 3}),
      conv("k3_narrow", same, {3, 16, 3, 5}, {32, 16, 3, 3}),
      conv("k3_no_padding", {}, {1, 16, 12, 12}, {16, 16, 3, 3}),
      conv("k3_odd_padding", {.pads = {0, 2, 1, 0}}, {1, 16, 9, 10}, {16, 16, 3, 3}),
      conv("k3_stride2", {.strides = {2, 2}, .pads = {1, 1, 1, 1}}, {1, 16, 11, 9}, {24, 16, 3, 3}),
      conv("first_layer", {.strides = {2, 2}, .pads = {3, 3, 3, 3}}, {1, 3, 32, 29}, {17, 3, 7, 7}),
      conv("groups", {.pads = {1, 1, 1, 1}, .group = 2}, {1, 32, 7, 7}, {32, 16, 3, 3}),
      conv("depthwise", {.pads = {1, 1, 1, 1}, .group = 24}, {2, 24, 9, 8}, {24, 1, 3, 3}),
      transposed("overlapping", {.strides = {2, 2}, .pads = {1, 1, 1, 1}}, {1, 20, 6, 5}, {20, 24, 4, 4}),
      transposed("thin", {.strides = {2, 2}}, {2, 24, 6, 5}, {24, 1, 2, 2}),
      {"matmul", "MatMul", {}, {2, 9, 40}, {{40, 24}}, {24}},
  };
}

const std::vector<TailCase>& tails() {
  static const std::vector<TailCase> all = {
      {"relu", {{"Relu"}}},
      {"residual_relu", {{"Add", Way::residual}, {"Relu"}}},
      {"channel_hardswish", {{"Mul", Way::channel}, {"HardSwish"}}},
      {"sigmoid_times_residual", {{"Sigmoid"}, {"Mul", Way::residual}, {"Add", Way::channel}}},
  };
  return all;
}

/// The group that the passes make of main and tail, with its reference's answer.
Result<Subject> grouped(const Main& main, const TailCase& tail, ElementType type) {
  ir::Graph graph;
  std::vector<std::pair<std::string, ir::Value>> given;
  uint64_t seed = 1;
  const auto input = [&](const Dims& dims) {
    given.emplace_back("x" + std::to_string(given.size()), sample::random(type, dims, -1, 1, ++seed));
    return graph.add_input(given.back().first, ir::Fact::tensor(type, dims));
  };
  const auto constant = [&](const Dims& dims) {
    ++seed;
    return graph.add_constant("c" + std::to_string(seed), sample::random(type, dims, -1, 1, seed));
  };
  std::vector<ir::ValueId> ins = {input(main.x)};
  for (const Dims& d : main.constants) ins.push_back(constant(d));
  ir::NodeId node = graph.add_node(ops::get(main.op), "main", main.attrs, ins, 1);
  TRY(ir::infer_all(graph));
  const Dims result = graph.value(graph.node(node).outputs[0]).fact.dims();
  for (const TailNode& t : tail.nodes) {
    ins = {graph.node(node).outputs[0]};
    if (t.operand == Way::residual) ins.push_back(input(result));
    if (t.operand == Way::channel) ins.push_back(constant(main.channel));
    node = graph.add_node(ops::get(t.op), t.op, ir::Attrs(static_cast<const ir::OpInfo*>(ops::get(t.op))->attrs), ins, 1);
  }
  graph.set_outputs({graph.node(node).outputs[0]});
  TRY(ir::infer_all(graph));
  TRY(passes::run(graph));
  for (ir::NodeId id = 0; id < graph.node_slots(); ++id) {
    if (!graph.node(id).alive() || ops::group_of(graph.node(id)) == nullptr) continue;
    std::vector<ir::Value> values;
    for (const ir::ValueId v : graph.node(id).inputs) {
      const ir::ValueInfo& info = graph.value(v);
      const auto found = std::find_if(given.begin(), given.end(), [&](const auto& g) { return g.first == info.name; });
      if (found == given.end() && !info.is_constant()) return fail(ErrorCode::internal, "'{}' is nobody's", info.name);
      values.push_back(info.is_constant() ? ir::Value(info.constant) : found->second);
    }
    return subject_of_node(graph, id, std::move(values), ops::Tolerance::rounding,
                           fmt::format("{}/{}/{}", main.label, tail.label, name(type)));
  }
  return fail(ErrorCode::internal, "the passes made no group");
}

TEST(Conformance, EveryTacticOnGroups) {
  const Isa cap = detected_isa();
  std::map<std::pair<std::string_view, ElementType>, int> accepted;
  for (const ElementType type : {ElementType::f32, ElementType::bf16}) {
    for (const Main& main : mains()) {
      for (const TailCase& tail : tails()) {
        const Result<Subject> subject = grouped(main, tail, type);
        ASSERT_TRUE(subject) << main.label << "/" << tail.label << ": " << subject.error().text();
        for (const tactic::Tactic& tactic : kernels::all()) {
          if (tactic.isa > cap || std::find(tactic.ops.begin(), tactic.ops.end(), "Group") == tactic.ops.end()) continue;
          for (const int threads : {1, 2}) {
            const Report report = check(*subject, tactic, cap, threads, tactic::Format::blocked16);
            EXPECT_NE(report.outcome, Outcome::failed)
                << tactic.name << " on " << subject->label << ", " << threads << " threads: " << report.text;
            if (report.outcome == Outcome::passed) ++accepted[{tactic.name, type}];
          }
        }
      }
    }
  }
  for (const auto& [key, runs] : accepted)
    std::printf("%-32s %-4s %d runs\n", std::string(key.first).c_str(), std::string(name(key.second)).c_str(), runs);
  if (cap < Isa::avx2) return;
  for (const std::string_view name : {"x64.conv_direct", "x64.winograd2", "x64.winograd4", "x64.winograd6", "x64.depthwise",
                                      "x64.conv_general", "x64.conv_transpose", "x64.conv_transpose_thin", "x64.gemm"}) {
    EXPECT_GT((accepted[{name, ElementType::f32}]), 0) << name << " took no group";
  }
  for (const std::string_view name :
       {"x64.conv_direct", "x64.winograd4", "x64.depthwise", "x64.conv_general", "x64.conv_transpose", "x64.gemm"}) {
    EXPECT_GT((accepted[{name, ElementType::bf16}]), 0) << name << " took no group of bf16";
  }
}

}  // namespace
}  // namespace slipway::conformance

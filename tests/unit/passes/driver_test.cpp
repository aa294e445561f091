#include "passes/driver.hpp"

#include <gtest/gtest.h>

#include "ir/text.hpp"
#include "ops/registry.hpp"
#include "passes/pipeline.hpp"

namespace slipway::passes {
namespace {

ir::Graph parsed(std::string_view text) {
  auto graph = ir::parse(text, ops::lookup);
  EXPECT_TRUE(graph) << graph.error().text();
  return *graph;
}

constexpr std::string_view kChain = R"(
  input %x: f32[4]
  %a = Identity(%x)
  %b = Identity(%a)
  %c = Identity(%b)
  %y = Relu(%c)
  output %y
)";

Stage stage_of(std::vector<Pass> passes, int rounds = 1) {
  return {std::move(passes), rounds};
}

Report run_one(ir::Graph& graph, const Stage& stage, const Options& options = {}) {
  auto report = run_stages(graph, std::span(&stage, 1), options);
  EXPECT_TRUE(report) << report.error().text();
  return *report;
}

TEST(Driver, CountsPatchesAndNodes) {
  ir::Graph graph = parsed(kChain);
  const Report report = run_one(graph, stage_of({*find_pass("no_op")}));
  EXPECT_EQ(report.patches, 3u);
  EXPECT_EQ(report.nodes_before, 4u);
  EXPECT_EQ(report.nodes_after, 1u);
  ASSERT_EQ(report.passes.size(), 1u);
  EXPECT_EQ(report.passes[0].name, "no_op");
  EXPECT_EQ(report.passes[0].patches, 3u);
  EXPECT_FALSE(report.passes[0].doc.empty());
}

TEST(Driver, StopsAfterTheWantedNumberOfPatches) {
  for (size_t n : {size_t{0}, size_t{1}, size_t{2}}) {
    ir::Graph graph = parsed(kChain);
    Options options;
    options.stop_after = n;
    EXPECT_EQ(run_one(graph, stage_of({*find_pass("no_op")}, kManyRounds), options).patches, n);
    EXPECT_EQ(graph.live_nodes(), 4 - n);
  }
}

TEST(Driver, LeavesOutSkippedPasses) {
  ir::Graph graph = parsed(kChain);
  Options options;
  options.skip = {"no_op"};
  const auto report = run(graph, options);
  ASSERT_TRUE(report);
  EXPECT_EQ(graph.live_nodes(), 4u);
  for (const PassReport& pass : report->passes) EXPECT_NE(pass.name, "no_op");
}

TEST(Driver, ReportsWhyAPassDeclined) {
  ir::Graph graph = parsed(R"(
    input %x: f32[2,4,3]
    %c = const f32[4]{1,1,1,1}
    %y, %m, %v = BatchNormalization(%x, %c, %c, %c, %c) {training_mode=true}
    output %y
  )");
  const Report report = run_one(graph, stage_of({*find_pass("batch_norm")}, kManyRounds));
  ASSERT_EQ(report.passes.size(), 1u);
  ASSERT_EQ(report.passes[0].declined.size(), 1u);
  EXPECT_EQ(report.passes[0].declined[0].node, "y");
}

TEST(Driver, NamesThePassThatBroke) {
  const Pass broken = {"broken", "replaces a value by one made of it",
                       [](const Site& site) -> Result<Answer> {
                         if (!site.node.is("Relu")) return not_mine();
                         ir::Patch patch(site.graph);
                         const ir::ValueId again = TRY(patch.add(site.node.op, {}, {site.out()}));
                         return replaced(site, std::move(patch), again);
                       },
                       false};
  ir::Graph graph = parsed(kChain);
  const Stage stage = stage_of({broken});
  const auto report = run_stages(graph, std::span(&stage, 1), {});
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().text().find("'broken'"), std::string::npos) << report.error().text();
}

TEST(Driver, RefusesAPatchThatChangesAShape) {
  const Pass wrong = {"wrong", "replaces a vector by a scalar",
                      [](const Site& site) -> Result<Answer> {
                        return site.node.is("Relu") ? replaced(site, ir::Patch(site.graph), Tensor::scalar(1.0f)) : not_mine();
                      },
                      false};
  ir::Graph graph = parsed(kChain);
  const Report report = run_one(graph, stage_of({wrong}));
  EXPECT_EQ(report.patches, 0u);
  ASSERT_EQ(report.passes[0].declined.size(), 1u);
  EXPECT_NE(report.passes[0].declined[0].reason.find("patch refused"), std::string::npos);
  EXPECT_EQ(graph.live_nodes(), 4u);
}

TEST(Driver, GivesUpOnPassesThatNeverSettle) {
  const Pass restless = {"restless", "replaces a node by itself",
                         [](const Site& site) -> Result<Answer> {
                           if (!site.node.is("Relu")) return not_mine();
                           ir::Patch patch(site.graph);
                           const ir::ValueId same = TRY(patch.add(site.node.op, {}, site.node.inputs));
                           return replaced(site, std::move(patch), same);
                         },
                         false};
  ir::Graph graph = parsed(kChain);
  const Report report = run_one(graph, stage_of({restless}, 5));
  EXPECT_EQ(report.patches, 5u);
  EXPECT_FALSE(report.settled);
}

TEST(Driver, ADroppedPatchLeavesNoNodes) {
  const Pass hesitant = {"hesitant", "builds, then thinks better of it",
                         [](const Site& site) -> Result<Answer> {
                           ir::Patch patch(site.graph);
                           TRY(patch.add(ops::get("Neg"), {}, {site.node.inputs[0]}));
                           return declined("thought better of it");
                         },
                         false};
  ir::Graph graph = parsed(kChain);
  run_one(graph, stage_of({hesitant}));
  EXPECT_EQ(graph.live_nodes(), 4u);
}

TEST(Driver, ValuesKeepTheirNames) {
  ir::Graph graph = parsed(R"(
    input %x: f32[N,4]
    %r = const f32[]{0.70710677}
    %one = const f32[]{1}
    %half = const f32[]{0.5}
    %q = Mul(%x, %r)
    %e = Erf(%q)
    %b = Add(%e, %one)
    %m = Mul(%x, %b)
    %act = Mul(%m, %half) @activation
    %y = Neg(%act)
    output %y
  )");
  run_one(graph, stage_of({*find_pass("gelu")}));
  const ir::ValueId act = graph.find_value("act");
  ASSERT_NE(act, ir::kNone);
  ASSERT_NE(graph.value(act).producer, ir::kNone);
  EXPECT_EQ(graph.node(graph.value(act).producer).op->name, "Gelu");
  EXPECT_EQ(graph.node(graph.value(act).producer).name, "activation");
}

TEST(Pipeline, NamesAreUniqueAndDocumented) {
  std::vector<std::string_view> seen;
  for (const Stage& stage : pipeline()) {
    for (const Pass& pass : stage.passes) {
      EXPECT_FALSE(pass.doc.empty()) << pass.name;
      EXPECT_EQ(find_pass(pass.name)->visit, pass.visit) << pass.name << " names two passes";
    }
  }
}

}  // namespace
}  // namespace slipway::passes

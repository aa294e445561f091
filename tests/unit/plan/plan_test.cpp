// What a plan makes of a graph: steps, places, views, in-place results, memory.
#include "plan/plan.hpp"

#include <gtest/gtest.h>

#include "unit/plan/plans.hpp"

namespace slipway::plan {
namespace {

using Kind = Place::Kind;

TEST(Plan, ElementwiseResultsStandOnDyingInputs) {
  const ir::Graph graph = graph_of(R"(
    input %x: f32[64,100]
    %a = Exp(%x)
    %b = Relu(%a)
    %c = Sqrt(%b)
    %d = Neg(%c)
    output %d
  )");
  if (detected_isa() < Isa::avx2) GTEST_SKIP() << "the portable kernels write elsewhere";
  PlanOptions options = portable_options();
  options.machine.isa = detected_isa();
  const auto plan = plan_of(graph, floats({{64, 100}}), options);
  ASSERT_EQ(plan->steps.size(), 4u);
  EXPECT_EQ(plan->memory.arena_bytes - plan->memory.scratch_bytes, 0u) << "everything happens in the output's own storage";
  for (const Step& step : plan->steps) EXPECT_EQ(step.outputs[0].kind, Kind::output) << step.name;
}

TEST(Plan, AValueThatIsStillReadIsNotOverwritten) {
  const ir::Graph graph = graph_of(R"(
    input %x: f32[64,100]
    %a = Exp(%x)
    %b = Relu(%a)
    %c = Add(%b, %a)
    output %c
  )");
  const auto plan = plan_of(graph, floats({{64, 100}}));
  ASSERT_EQ(plan->steps.size(), 3u);
  const Place& a = plan->steps[0].outputs[0];
  const Place& b = plan->steps[1].outputs[0];
  EXPECT_FALSE(a.kind == b.kind && a.offset == b.offset && a.index == b.index);
}

TEST(Plan, InputsAreNeverOverwritten) {
  const auto plan = plan_of(graph_of("input %x: f32[64]\n%y = Relu(%x)\n%z = Neg(%x)\noutput %y\noutput %z"), floats({{64}}));
  for (const Step& step : plan->steps) {
    EXPECT_EQ(step.inputs[0].kind, Kind::input);
    EXPECT_EQ(step.outputs[0].kind, Kind::output);
  }
}

TEST(Plan, ViewsRunNothing) {
  const ir::Graph graph = graph_of(R"(
    input %x: f32[2,3,4]
    %s = const i64[2]{6, -1}
    %a = Reshape(%x, %s)
    %b = Relu(%a)
    %t = const i64[1]{0}
    %c = Unsqueeze(%b, %t)
    output %c
  )");
  const auto plan = plan_of(graph, floats({{2, 3, 4}}));
  EXPECT_EQ(plan->steps.size(), 1u);
  EXPECT_EQ(plan->outputs[0].dims, (Dims{1, 6, 4}));
}

TEST(Plan, ConstantInputAndTwiceAskedOutputs) {
  const auto plan = plan_of(graph_of(R"(
    input %x: f32[3]
    %k = const f32[3]{1, 2, 3}
    %y = Neg(%x)
    output %y as "one"
    output %y as "two"
    output %x as "same"
    output %k as "constant"
  )"),
                            floats({{3}}));
  using Source = ResultSource::Kind;
  ASSERT_EQ(plan->results.size(), 4u);
  EXPECT_EQ(plan->results[0].kind, Source::output);
  EXPECT_EQ(plan->results[1].index, plan->results[0].index);
  EXPECT_EQ(plan->results[2].kind, Source::input);
  EXPECT_EQ(plan->results[3].kind, Source::constant);
}

TEST(Plan, KeepValuesKeepsThemAll) {
  PlanOptions options = portable_options();
  options.keep_values = true;
  const auto plan =
      plan_of(graph_of("input %x: f32[64]\n%a = Exp(%x)\n%b = Relu(%a)\n%c = Neg(%b)\noutput %c"), floats({{64}}), options);
  ASSERT_EQ(plan->steps.size(), 3u);
  EXPECT_EQ(plan->memory.arena_bytes - plan->memory.scratch_bytes, 2 * 64 * sizeof(float));
}

TEST(Plan, MemoryOfARealShape) {
  std::string text = "input %x0: f32[1,32,56,56]\n%w = const f32[32,32,3,3] random(1)\n";
  for (int i = 0; i < 12; ++i) {
    text += "%c" + std::to_string(i) + " = Conv(%x" + std::to_string(i) + ", %w) {pads=[1, 1, 1, 1]}\n";
    text += "%r" + std::to_string(i) + " = Relu(%c" + std::to_string(i) + ")\n";
    text += "%x" + std::to_string(i + 1) + " = Add(%r" + std::to_string(i) + ", %x" + std::to_string(i) + ")\n";
  }
  text += "output %x12\n";
  for (const Isa isa : {Isa::portable, detected_isa()}) {
    PlanOptions options = portable_options();
    options.machine.isa = isa;
    const auto plan = plan_of(optimised(text), floats({{1, 32, 56, 56}}), options);
    EXPECT_GT(plan->memory.live_peak_bytes, 0u);
    EXPECT_LE(static_cast<double>(plan->memory.arena_bytes), 1.1 * static_cast<double>(plan->memory.live_peak_bytes));
  }
}

/// Packs into memory of its own and counts; provide() is remembered.
class CountingStore final : public PackedStore {
 public:
  Result<tactic::Packed> packed(const Tensor& constant, const tactic::Packing& packing) override {
    tactic::Packed& form = forms[{constant.data(), packing.recipe}];
    if (form == nullptr) {
      std::shared_ptr<void> bytes = allocate(packing.bytes);
      packing.pack(constant, static_cast<std::byte*>(bytes.get()));
      form = tactic::Packed(bytes, static_cast<const std::byte*>(bytes.get()));
    }
    return form;
  }
  Status provide(const Tensor& constant) override {
    provided[constant.data()] = true;
    return {};
  }
  std::map<std::pair<const void*, std::string>, tactic::Packed> forms;
  std::map<const void*, bool> provided;
};

TEST(Plan, PackedConstantsAreSharedAndNotReadAsTheyAre) {
  if (detected_isa() < Isa::avx2) GTEST_SKIP() << "the portable kernels pack nothing";
  const ir::Graph graph = graph_of(R"(
    input %x: f32[M,64]
    %w = const f32[64,96] random(1)
    %t = const f32[500,96] random(2)
    %i = const i64[1]{7}
    %y = MatMul(%x, %w)
    %r = Gather(%t, %i)
    %z = Add(%y, %r)
    output %z
  )");
  CountingStore store;
  PlanOptions options = portable_options();
  options.machine.isa = detected_isa();
  options.store = &store;
  for (const int64_t rows : {5, 50, 500}) ASSERT_TRUE(plan_of(graph, floats({{rows, 64}}), options));
  EXPECT_EQ(store.forms.size(), 1u) << "plans of all shapes share one form";
  EXPECT_FALSE(store.provided.count(graph.value(graph.find_value("w")).constant.data()));
  EXPECT_TRUE(store.provided.count(graph.value(graph.find_value("t")).constant.data()));
}

TEST(Plan, ContradictionNamesTheNode) {
  const auto plan = make(graph_of("input %x: f32[?,?]\ninput %y: f32[?,?]\n%z = MatMul(%x, %y) @product\noutput %z"),
                         floats({{2, 3}, {4, 5}}), portable_options());
  ASSERT_FALSE(plan);
  EXPECT_NE(plan.error().text().find("product"), std::string::npos) << plan.error().text();
}

}  // namespace
}  // namespace slipway::plan

// A graph with its shapes known: shape arithmetic folded, decided branches inlined, what waits for data set apart.
#include "plan/specialise.hpp"

#include <gtest/gtest.h>

#include "unit/plan/plans.hpp"

namespace slipway::plan {
namespace {

Specialised specialised(std::string_view text, const std::vector<InputDesc>& inputs) {
  auto out = specialise(graph_of(text), inputs, nullptr);
  EXPECT_TRUE(out) << out.error().text();
  return out ? std::move(*out) : Specialised();
}

std::vector<std::string> names(const ir::Graph& graph, const std::vector<ir::NodeId>& ids) {
  std::vector<std::string> out;
  for (const ir::NodeId id : ids) out.emplace_back(graph.node(id).op->name);
  return out;
}
using Names = std::vector<std::string>;

TEST(Specialise, ShapeArithmeticFolds) {
  const Specialised s = specialised(R"(
    input %x: f32[N,?,W]
    %shape = Shape(%x)
    %zero = const i64[1]{0}
    %n = Gather(%shape, %zero)
    %rest = const i64[1]{-1}
    %to = Concat(%n, %rest) {axis=0}
    %y = Reshape(%x, %to)
    %z = Relu(%y)
    output %z
  )",
                                    floats({{4, 6, 5}}));
  EXPECT_EQ(names(s.graph, s.order), (Names{"Reshape", "Relu"}));
  EXPECT_EQ(s.graph.value(s.graph.outputs()[0]).fact.dims(), (Dims{4, 30}));
  EXPECT_TRUE(s.host.empty());
  EXPECT_TRUE(s.rest.empty());
}

constexpr std::string_view kBranch = R"(
  input %c: bool[]
  input %x: f32[?]
  %y = If(%c; %x) {then_branch=graph { input %a: f32[?] %b = Exp(%a) output %b },
                   else_branch=graph { input %a: f32[?] %b = Neg(%a) output %b }}
  %z = Relu(%y)
  output %z
)";

TEST(Specialise, AKnownConditionInlinesItsBranch) {
  for (const bool taken : {false, true}) {
    Tensor condition(ElementType::boolean, {});
    condition.as<uint8_t>()[0] = taken ? 1 : 0;
    std::vector<InputDesc> inputs = floats({Dims{}, {8}});
    inputs[0] = {ir::Fact::tensor(ElementType::boolean, Dims{}), condition};
    const Specialised s = specialised(kBranch, inputs);
    EXPECT_EQ(names(s.graph, s.order), (Names{taken ? "Exp" : "Neg", "Relu"}));
  }
}

TEST(Specialise, AnUnknownConditionWaits) {
  std::vector<InputDesc> inputs = floats({Dims{}, {8}});
  inputs[0].fact = ir::Fact::tensor(ElementType::boolean, Dims{});
  const Specialised s = specialised(kBranch, inputs);
  EXPECT_TRUE(s.order.empty());
  EXPECT_EQ(names(s.graph, s.host), (Names{"If"}));
  EXPECT_EQ(names(s.graph, s.rest), (Names{"Relu"}));
}

TEST(Specialise, DataDependentExtentsEndTheStaticPart) {
  const Specialised s = specialised(R"(
    input %x: f32[8]
    %a = Relu(%x)
    %i = NonZero(%a)
    %f = Cast(%i) {to=f32}
    %y = Neg(%f)
    %b = Exp(%a)
    output %y
    output %b
  )",
                                    floats({{8}}));
  EXPECT_EQ(names(s.graph, s.order), (Names{"Relu", "Exp"}));
  EXPECT_EQ(names(s.graph, s.host), (Names{"NonZero"}));
  EXPECT_EQ(names(s.graph, s.rest), (Names{"Cast", "Neg"}));
}

TEST(Specialise, ExtractTakesOnlyWhatItNeeds) {
  const ir::Graph graph =
      graph_of("input %x: f32[4]\n%k = const f32[4]{1,2,3,4}\n%a = Relu(%x)\n%b = Add(%a, %k)\n%c = Neg(%b)\noutput %c");
  std::vector<ir::ValueId> inputs;
  const std::vector<ir::NodeId> ids{1, 2};
  const ir::Graph part = extract(graph, ids, inputs, graph.outputs());
  EXPECT_EQ(inputs, std::vector<ir::ValueId>{graph.find_value("a")});
  EXPECT_EQ(part.live_nodes(), 2u);
  EXPECT_TRUE(ir::verify(part));
}

TEST(Specialise, ShapeInputsAreThoseThatDecideExtents) {
  EXPECT_EQ(shape_inputs(graph_of(R"(
    input %x: f32[?]
    input %to: i64[2]
    input %scale: f32[]
    %y = Reshape(%x, %to)
    %z = Mul(%y, %scale)
    output %z
  )")),
            (std::vector<bool>{false, true, false}));
  EXPECT_EQ(shape_inputs(graph_of(kBranch)), (std::vector<bool>{true, false}));
}

TEST(Specialise, WrongCountOfInputs) {
  EXPECT_FALSE(specialise(graph_of("input %x: f32[2]\noutput %x"), {}, nullptr));
}

}  // namespace
}  // namespace slipway::plan

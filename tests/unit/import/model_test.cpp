#include "base/log.hpp"
#include "unit/import/import_model.hpp"
#include "unit/import/proto_writer.hpp"

namespace slipway::test {
namespace {

TEST(ImportModel, KeepsInterfaceMetadataAndSymbols) {
  const std::string bytes = one_node_model(node({"Relu", {"x"}, {"y"}, "act"}), {"batch", 3, Extent{int64_t{-1}}});
  const ir::Graph g = import_good(bytes);
  ASSERT_EQ(g.inputs().size(), 1u);
  ASSERT_EQ(g.outputs().size(), 1u);
  EXPECT_EQ(g.name, "g");
  EXPECT_EQ(g.producer, "writer 1.0");
  EXPECT_EQ(g.metadata.at("author"), "a test");
  EXPECT_EQ(g.output_names()[0], "y");
  EXPECT_EQ(fact_of(g, g.inputs()[0]), "f32[batch,3,?]");
  EXPECT_EQ(fact_of(g, g.outputs()[0]), "f32[batch,3,?]");
  EXPECT_EQ(g.node(0).name, "act");
}

TEST(ImportModel, PlaceholdersAreNoSymbols) {
  const ir::Graph g = import_good(one_node_model(node({"Relu", {"x"}, {"y"}}), {"?", "?", "None", "", "h"}));
  EXPECT_EQ(fact_of(g, g.inputs()[0]), "f32[?,?,?,?,h]");
}

TEST(ImportModel, NodesWithoutNamesGetUniqueOnes) {
  const ir::Graph g = import_good(model(graph({{node({"Relu", {"x"}, {"a"}, "n"}), node({"Relu", {"a"}, {"b"}, "n"}),
                                                node({"Relu", {"b"}, {"c"}, "n_1"}), node({"Relu", {"c"}, {"y"}})},
                                               {value("x", kF32, {2})},
                                               {value("y", kF32, {2})}})));
  std::set<std::string> names;
  for (ir::NodeId id = 0; id < g.node_slots(); ++id) names.insert(g.node(id).name);
  EXPECT_EQ(names.size(), 4u);
}

TEST(ImportModel, InitializersListedAsInputsAreConstants) {
  const std::string bytes = model(graph({{node({"Add", {"x", "w"}, {"y"}})},
                                         {value("x", kF32, {2}), value("w", kF32, {2})},
                                         {value("y", kF32, {2})},
                                         {floats("w", {2}, {1, 2})}}),
                                  {.ir = 3, .opset = 7});
  const ir::Graph g = import_good(bytes);
  ASSERT_EQ(g.inputs().size(), 1u);
  const ir::ValueInfo& w = g.value(g.node(0).inputs[1]);
  ASSERT_TRUE(w.is_constant());
  EXPECT_EQ(w.constant.as<float>()[1], 2);
}

TEST(ImportModel, ConstantNodesBecomeConstants) {
  const ir::Graph g = import_good(model(graph({{node({"Constant", {}, {"c"}}, {attr_tensor("value", floats("", {1}, {3}))}),
                                                node({"Constant", {}, {"k"}}, {attr_float("value_float", 4)}),
                                                node({"Add", {"x", "c"}, {"a"}}), node({"Add", {"a", "k"}, {"y"}})},
                                               {value("x", kF32, {2})},
                                               {value("y", kF32, {2})}})));
  EXPECT_EQ(g.live_nodes(), 2u);
  EXPECT_EQ(g.value(g.node(1).inputs[1]).constant.as<float>()[0], 4);
  EXPECT_TRUE(g.value(g.node(1).inputs[1]).constant.dims().empty());
  EXPECT_HAS(refusal(model(graph({{node({"Constant", {}, {"y"}})}, {}, {value("y", kF32, {})}}))), "exactly one attribute");
}

TEST(ImportModel, OldVersionsAreUpgraded) {
  const std::string bytes =
      one_node_model(node({"Clip", {"x"}, {"y"}}, {attr_float("min", 0), attr_float("max", 6)}), {4}, {.opset = 6});
  const ir::Graph g = import_good(bytes);
  ASSERT_EQ(g.node(0).inputs.size(), 3u);
  EXPECT_EQ(g.value(g.node(0).inputs[2]).constant.as<float>()[0], 6);
}

TEST(ImportModel, DeclaredExtentsDoNotOverruleInference) {
  const ir::Graph g = import_good(model(graph({{node({"Relu", {"x"}, {"h"}}), node({"Relu", {"h"}, {"y"}})},
                                               {value("x", kF32, {"n", 8})},
                                               {value("y", kF32, {1, 8})},
                                               {},
                                               {value("h", kF32, {1, 8})}})));
  EXPECT_EQ(fact_of(g, g.node(0).outputs[0]), "f32[n,8]");
  EXPECT_EQ(fact_of(g, g.outputs()[0]), "f32[n,8]");
}

TEST(ImportModel, AContradictedElementTypeIsAnError) {
  const std::string bytes =
      model(graph({{node({"Relu", {"x"}, {"y"}, "act"})}, {value("x", kF32, {2})}, {value("y", kI64, {2})}}));
  EXPECT_HAS(refusal(bytes), "'y' is declared i64[2], but the operator gives f32[2]");
}

/// The warning of an import that goes well.
std::string warning(const std::string& bytes) {
  std::string out;
  set_log_sink([&](LogLevel, std::string_view text) { out += text; }, LogLevel::warning);
  import_good(bytes);
  set_log_sink({});
  return out;
}

TEST(ImportModel, ContradictedShapesAreAWarning) {
  const auto doubled = [](const Message& x, const Message& h, const Message& y) {
    return model(graph({{node({"Relu", {"x"}, {"h"}, "act"}), node({"Relu", {"h"}, {"y"}, "last"})}, {x}, {y}, {}, {h}}));
  };
  const Message x = value("x", kF32, {2, "n"}), good = value("h", kF32, {2, 5});
  EXPECT_EQ(
      warning(doubled(x, value("h", kF32, {3, 5}), value("y", kF32, {2, 5}))),
      "'h' is declared f32[3,5], but the operator gives f32[2,n] in 'act (Relu)': the shapes that the operators give are used");
  EXPECT_HAS(warning(doubled(x, value("h", kF32, {3, 5}), value("y", kF32, {2}))), "'act (Relu)' (and 2 more like it): ");
  EXPECT_HAS(warning(model(graph({{node({"Relu", {"x"}, {"h"}})}, {x}, {value("x", kF32, {4, 4})}}))),
             "'x' is declared f32[4,4], but the operator gives f32[2,n] in 'graph output x'");
  EXPECT_EQ(warning(doubled(x, good, value("y", kF32, {"n", "n"}))), "");  // names may mean anything
}

TEST(ImportModel, WhatOnlyAFunctionOrASequenceMayHaveIsRefusedElsewhere) {
  const Message free = node({"Softmax", {"x"}, {"y"}, "soft"}, {attr_reference("axis", "given", 2)});
  EXPECT_HAS(refusal(one_node_model(free, {4})), "outside of any function in 'soft (Softmax)'");
  EXPECT_HAS(refusal(one_node_model(node({"Relu", {"x"}, {"y"}}), {4}, {.opsets = {opset("", 11)}})), "two versions");
  const Message pair = node({"SequenceConstruct", {"x", "x"}, {"s"}}), relu = node({"Relu", {"s"}, {"y"}, "act"});
  EXPECT_HAS(refusal(model(graph({{pair, relu}, {value("x", kF32, {2})}, {Message().bytes(1, "y")}}))),
             "Relu: input 0 ('X') must be a tensor");
}

TEST(ImportModel, ListsEveryProblemInOneError) {
  const std::string bytes = model(
      graph({{node({"Rellu", {"x"}, {"a"}, "first"}), node({"Rellu", {"a"}, {"b"}, "second"}),
              node({"Fancy", {"b"}, {"c"}, "third", "com.example"}), node({"Relu", {"names"}, {"d"}, "fourth"}),
              node({"Softmax", {"x"}, {"e"}, "fifth"}, {attr_int("axes", 1)}), node({"Add", {"c", "nowhere"}, {"y"}, "sixth"})},
             {value("x", kF32, {2}), value("names", 8, {2})},
             {value("y", kF32, {2})}}));
  const std::string text = refusal(bytes);
  EXPECT_HAS(text, "Rellu (is Relu");
  EXPECT_HAS(text, "in 'first', 'second'");
  EXPECT_HAS(text, "Fancy of domain 'com.example' in 'third'");
  EXPECT_HAS(text, "types: Relu: input 0 ('X') cannot be of type string in 'fourth'");
  EXPECT_HAS(text, "the operator has no attribute 'axes' in 'fifth (Softmax)'");
  EXPECT_HAS(text, "it reads 'nowhere', which nothing makes in 'sixth (Add)'");
  EXPECT_HAS(text, "'slipway ops' lists");
}

TEST(ImportModel, UnknownOperatorsAloneAreUnsupported) {
  const std::string text = refusal(one_node_model(node({"Nothing", {"x"}, {"y"}, "n"}), {2}), ErrorCode::unsupported);
  EXPECT_HAS(text, "unknown operators: Nothing in 'n'");
}

TEST(ImportModel, NodesOutOfOrderAreNamed) {
  const std::string text = refusal(model(graph({{node({"Relu", {"b"}, {"y"}, "late"}), node({"Relu", {"x"}, {"b"}, "early"})},
                                                {value("x", kF32, {2})},
                                                {value("y", kF32, {2})}})));
  EXPECT_HAS(text, "it reads 'b' before node 'early' makes it");
  EXPECT_HAS(text, "in 'late (Relu)'");
}

TEST(ImportModel, DuplicateNamesAreNamed) {
  EXPECT_HAS(refusal(model(graph({{node({"Relu", {"x"}, {"y"}, "p"}), node({"Relu", {"x"}, {"y"}, "q"})},
                                  {value("x", kF32, {2})},
                                  {value("y", kF32, {2})}}))),
             "the name 'y' is given twice in 'q (Relu)'");
}

TEST(ImportModel, ShapeContradictionsNameTheNode) {
  const std::string text = refusal(model(graph({{node({"Add", {"x", "w"}, {"y"}, "sum"})},
                                                {value("x", kF32, {2})},
                                                {value("y", kF32, {2})},
                                                {floats("w", {3}, {1, 2, 3})}})));
  EXPECT_HAS(text, "in 'sum (Add)'");
}

TEST(ImportModel, AttributesOfTheWrongKindAreNamed) {
  EXPECT_HAS(refusal(one_node_model(node({"Softmax", {"x"}, {"y"}, "s"}, {attr_string("axis", "1")}), {2})), "attribute 'axis'");
  EXPECT_HAS(refusal(one_node_model(node({"Softmax", {"x"}, {"y"}, "s"}, {attr_int("axis", 0), attr_int("axis", 0)}), {2})),
             "attribute 'axis' is given twice");
}

TEST(ImportModel, VersionsOutsideTheRangeAreRefused) {
  const Message relu = node({"Relu", {"x"}, {"y"}});
  EXPECT_HAS(refusal(one_node_model(relu, {2}, {.ir = 15}), ErrorCode::unsupported), "IR version 15");
  EXPECT_HAS(refusal(one_node_model(relu, {2}, {.ir = 2}), ErrorCode::unsupported), "IR version 2");
  EXPECT_HAS(refusal(one_node_model(relu, {2}, {.opset = 29}), ErrorCode::unsupported), "version 29");
  import_good(one_node_model(relu, {2}, {.ir = 14, .opset = 28}));
  import_good(one_node_model(relu, {2}, {.ir = 3, .opset = 7}));
}

TEST(ImportModel, AnOperatorOlderThanItsUpgradesIsAVersionProblem) {
  const std::string bytes = one_node_model(node({"Gelu", {"x"}, {"y"}, "g"}), {2}, {.opset = 11});
  EXPECT_HAS(refusal(bytes, ErrorCode::unsupported), "Gelu as opset 11 has it");
}

TEST(ImportModel, TooManyOrTooFewInputsAreNamed) {
  EXPECT_HAS(refusal(one_node_model(node({"Relu", {"x", "x"}, {"y"}, "r"}), {2})), "takes 1 inputs");
  EXPECT_HAS(refusal(one_node_model(node({"Add", {"x"}, {"y"}, "a"}), {2})), "takes 2 inputs");
  EXPECT_HAS(refusal(one_node_model(node({"Add", {"", "x"}, {"y"}, "a"}), {2})), "the required input 0");
}

TEST(ImportModel, TrailingAbsentInputsAreDropped) {
  const ir::Graph g = import_good(one_node_model(node({"Clip", {"x", "", ""}, {"y"}}), {2}));
  EXPECT_EQ(g.node(0).inputs.size(), 1u);
}

}  // namespace
}  // namespace slipway::test

// The helpers and upgrades of the neural-network layers whose rules are easily got wrong.
#include <gtest/gtest.h>

#include "ops/einsum.hpp"
#include "ops/evaluate.hpp"
#include "ops/gemm.hpp"
#include "ops/onnx_node.hpp"
#include "ops/registry.hpp"
#include "ops/resize.hpp"
#include "ops/sample.hpp"
#include "ops/softmax.hpp"

namespace slipway::ops {
namespace {

TEST(MatMulShape, PromotesVectorsAndBroadcastsBatches) {
  const Result<MatMulShape> batched = matmul_shape({2, 1, 3, 4}, {5, 4, 6});
  ASSERT_TRUE(batched);
  EXPECT_EQ(batched->y, (Dims{2, 5, 3, 6}));
  EXPECT_EQ(batched->batch, (Dims{2, 5}));
  const Result<MatMulShape> row = matmul_shape({4}, {2, 4, 6}), dot = matmul_shape({4}, {4});
  ASSERT_TRUE(row && dot);
  EXPECT_EQ(row->y, (Dims{2, 6}));
  EXPECT_EQ(row->m, 1);
  EXPECT_EQ(dot->y, Dims{});
  EXPECT_FALSE(matmul_shape({2, 3}, {4, 5}));
  EXPECT_FALSE(matmul_shape({}, {4}));
}

TEST(Einsum, ReadsEquations) {
  const auto output = [](const std::string& equation, std::vector<size_t> ranks) {
    const Result<EinsumTerms> terms = read_equation(equation, ranks);
    return terms ? terms->output : "error: " + terms.error().message;
  };
  EXPECT_EQ(output("ij, jk -> ik", {2, 2}), "ik");
  EXPECT_EQ(output("ba,ac", {2, 2}), "bc");
  EXPECT_EQ(output("...ij,...jk->...ik", {4, 3}), "01ik");
  EXPECT_EQ(output("...i", {2}), "0i");
  for (const char* bad : {"ij->ijj", "ij->k", "i3->i", "..ij->i", "ij,jk->ik", "ijk->i"}) {
    EXPECT_EQ(output(bad, {2}).rfind("error", 0), 0u) << bad;
  }
}

TEST(ResizeGeometry, TakesScalesSizesAndPolicies) {
  const Dims x = {1, 1, 4, 6};
  const Tensor scales = sample::floats({4}, {1, 1, 2.6, 0.5}), sizes = sample::ints({9, 9}), none(ElementType::f32, {0});
  const auto by_scales = resize_geometry({}, x, nullptr, &scales, nullptr);
  ASSERT_TRUE(by_scales);
  EXPECT_EQ((*by_scales)[2].out, 10);
  EXPECT_EQ((*by_scales)[3].out, 3);
  const auto fitted = resize_geometry({.axes = {2, 3}, .keep_aspect_ratio_policy = "not_larger"}, x, nullptr, &none, &sizes);
  ASSERT_TRUE(fitted);
  EXPECT_EQ((*fitted)[2].out, 6);
  EXPECT_EQ((*fitted)[3].out, 9);
  EXPECT_FALSE(resize_geometry({}, x, nullptr, nullptr, nullptr));
  EXPECT_FALSE(resize_geometry({}, x, nullptr, &scales, &sizes));
  EXPECT_FALSE(resize_geometry({.axes = {2, 2}}, x, nullptr, nullptr, &sizes));
}

TEST(ResizeNearest, RoundsAsItsModeSays) {
  const auto nearest = [](const char* mode, double x) { return resize_nearest({.nearest_mode = mode}, x); };
  EXPECT_EQ(nearest("round_prefer_floor", 1.5), 1);
  EXPECT_EQ(nearest("round_prefer_ceil", 1.5), 2);
  EXPECT_EQ(nearest("floor", 1.9), 1);
  EXPECT_EQ(nearest("ceil", 1.1), 2);
}

/// Upgrades a node of `op` with the given attributes over inputs of these facts, as the importer does.
OnnxNode upgraded(ir::Graph& graph, const char* op, int version, std::map<std::string, ir::AttrValue> attrs,
                  std::vector<Fact> inputs) {
  OnnxNode node;
  node.op_type = op;
  node.name = "node";
  node.version = version;
  node.attrs = std::move(attrs);
  node.graph = &graph;
  for (Fact& fact : inputs) node.inputs.push_back(graph.add_input("x" + std::to_string(node.inputs.size()), std::move(fact)));
  const Status done = get(op)->upgrade_function()(node);
  EXPECT_TRUE(done) << done.error().text();
  return node;
}

TEST(SoftmaxUpgrade, NormalisesAllAxesFromTheOldAxisOn) {
  ir::Graph graph;
  const OnnxNode node = upgraded(graph, "Softmax", 11, {{"axis", int64_t{1}}}, {Fact::tensor(ElementType::f32, Dims{2, 3, 4})});
  ASSERT_EQ(node.op_type, "Reshape");
  const ir::NodeId last = graph.add_node(get("Reshape"), "node", ir::Attrs(get("Reshape")->OpInfo::attrs), node.inputs, 1);
  graph.add_output(graph.node(last).outputs[0], "y");
  ASSERT_TRUE(ir::infer_all(graph));
  const std::vector<Value> inputs = {Value(sample::noise({2, 3, 4}))};
  const Result<std::vector<Value>> y = evaluate(graph, inputs);
  ASSERT_TRUE(y) << y.error().text();
  ASSERT_EQ(y->front().tensor()->dims(), (Dims{2, 3, 4}));
  for (int row = 0; row < 2; ++row) {
    double sum = 0;
    for (int64_t i = 0; i < 12; ++i) sum += load<double>(*y->front().tensor(), row * 12 + i);
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
}

TEST(SoftmaxUpgrade, KeepsTheNodeWhenOnlyTheLastAxisIsMeant) {
  ir::Graph graph;
  const OnnxNode node = upgraded(graph, "Softmax", 11, {{"axis", int64_t{2}}}, {Fact::tensor(ElementType::f32, Dims{2, 3, 4})});
  EXPECT_EQ(node.op_type, "Softmax");
  EXPECT_TRUE(ir::equal(node.attrs.at("axis"), ir::AttrValue(int64_t{-1})));
}

TEST(UpsampleUpgrade, BecomesResize) {
  ir::Graph graph;
  const OnnxNode node =
      upgraded(graph, "Upsample", 7, {{"scales", std::vector<float>{1, 1, 2, 2}}, {"mode", std::string("bilinear")}},
               {Fact::tensor(ElementType::f32, Dims{1, 1, 2, 2})});
  EXPECT_EQ(node.op_type, "Resize");
  ASSERT_EQ(node.inputs.size(), 3u);
  EXPECT_TRUE(graph.value(node.inputs[2]).is_constant());
  EXPECT_TRUE(ir::equal(node.attrs.at("mode"), ir::AttrValue(std::string("linear"))));
}

}  // namespace
}  // namespace slipway::ops

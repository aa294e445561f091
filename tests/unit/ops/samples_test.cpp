// Every operator's samples: they pass the type check, infer, run by reference, and come out as inferred.
#include <gtest/gtest.h>

#include <set>

#include "ops/evaluate.hpp"
#include "ops/registry.hpp"

namespace slipway::ops {
namespace {

ir::Fact fact_of(const Value& value) {
  if (const Tensor* t = value.tensor()) return ir::Fact::tensor(t->type(), t->dims());
  if (const auto* items = value.sequence()) {
    ir::Fact element = items->empty() ? ir::Fact() : fact_of(items->front());
    for (const Value& item : *items) {
      if (fact_of(item).shape != element.shape) element.shape.reset();
    }
    return ir::Fact::sequence(std::move(element));
  }
  if (const ir::Map* map = value.map()) return ir::Fact::map(map->keys.type(), ir::Fact::tensor(map->values.type()));
  return {};
}

/// A graph of the sample's one node. `open` inputs keep their rank but not their extents.
ir::Graph graph_of(const Op& op, const Sample& sample, bool open) {
  ir::Graph graph;
  std::vector<ir::ValueId> inputs;
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    const SampleInput& input = sample.inputs[i];
    if (!input.value.has_value()) {
      inputs.push_back(ir::kNone);
      continue;
    }
    const std::string name = "x" + std::to_string(i);
    if (input.constant && input.value.tensor() != nullptr) {
      inputs.push_back(graph.add_constant(name, *input.value.tensor()));
      continue;
    }
    ir::Fact fact = fact_of(input.value);
    if (open && fact.shape) fact.shape->assign(fact.shape->size(), Dim::unknown());
    inputs.push_back(graph.add_input(name, fact));
  }
  const ir::NodeId node = graph.add_node(&op, "node", sample.attrs, std::move(inputs), sample.outputs);
  for (size_t i = 0; i < sample.outputs; ++i) graph.add_output(graph.node(node).outputs[i], "y" + std::to_string(i));
  return graph;
}

void check(const Op& op, const Sample& sample, bool open) {
  ASSERT_EQ(sample.attrs.type(), op.OpInfo::attrs) << "the sample's attributes are of another type";
  ir::Graph graph = graph_of(op, sample, open);
  const ir::Node& node = graph.node(0);
  std::vector<const ir::Fact*> facts;
  for (ir::ValueId v : node.inputs) facts.push_back(v == ir::kNone ? nullptr : &graph.value(v).fact);
  const Status typed = check_types(op, facts);
  ASSERT_TRUE(typed) << typed.error().text();
  const Status inferred = ir::infer_all(graph);
  ASSERT_TRUE(inferred) << inferred.error().text();
  const Status sound = ir::verify(graph);
  ASSERT_TRUE(sound) << sound.error().text();

  std::vector<Value> inputs;
  for (const SampleInput& input : sample.inputs) {
    const bool is_input = input.value.has_value() && !(input.constant && input.value.tensor() != nullptr);
    if (is_input) inputs.push_back(input.value);
  }
  const Result<std::vector<Value>> outputs = evaluate(graph, inputs);
  ASSERT_TRUE(outputs) << outputs.error().text();
  ASSERT_EQ(outputs->size(), sample.outputs);
  for (size_t i = 0; i < sample.outputs; ++i) {
    const ir::Fact& expected = graph.value(graph.outputs()[i]).fact;
    const ir::Fact got = fact_of((*outputs)[i]);
    EXPECT_NE(expected.kind, ir::Fact::Kind::unknown) << "output " << i << " was not inferred";
    if (!(*outputs)[i].has_value()) {
      EXPECT_TRUE(expected.optional) << "output " << i << " is absent";
      continue;
    }
    EXPECT_TRUE(ir::compatible(expected, got))
        << "output " << i << " is inferred as " << ir::to_string(expected) << " and comes out as " << ir::to_string(got);
    if (expected.is_tensor() && (*outputs)[i].tensor() != nullptr) {
      EXPECT_NE(expected.type, ElementType::undefined) << "output " << i << " has no type";
    }
  }
}

class Samples : public testing::TestWithParam<const Op*> {};

TEST_P(Samples, AgreeWithInferenceAndReference) {
  const Op& op = *GetParam();
  EXPECT_TRUE(op.has_reference());
  EXPECT_FALSE(op.doc().empty());
  std::set<std::string> labels;
  for (const Sample& sample : op.make_samples()) {
    SCOPED_TRACE(sample.label);
    EXPECT_TRUE(labels.insert(sample.label).second) << "two samples have this label";
    check(op, sample, false);
    check(op, sample, true);
  }
  EXPECT_TRUE(!labels.empty() || op.has(ir::OpInfo::kGroup)) << "the operator has no samples";
}

std::string test_name(const testing::TestParamInfo<const Op*>& info) {
  std::string name = std::string(info.param->domain) + "_" + std::string(info.param->name);
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  return name;
}

INSTANTIATE_TEST_SUITE_P(Ops, Samples, testing::ValuesIn(all()), test_name);

}  // namespace
}  // namespace slipway::ops

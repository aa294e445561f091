// Every operator's samples as text: attributes, sub-graphs and facts of all of them print and parse back.
// With SLIPWAY_WRITE_SAMPLES=DIR the texts are written there, as seeds for the fuzzer.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "ir/text.hpp"
#include "ops/registry.hpp"

namespace slipway::ops {
namespace {

Fact fact_of(const Value& value) {
  if (const Tensor* t = value.tensor()) return Fact::tensor(t->type(), t->dims());
  if (const auto* items = value.sequence()) return Fact::sequence(items->empty() ? Fact() : fact_of(items->front()));
  if (const ir::Map* map = value.map()) return Fact::map(map->keys.type(), Fact::tensor(map->values.type()));
  return {};
}

ir::Graph graph_of(const Op& op, const Sample& sample) {
  ir::Graph graph;
  std::vector<ir::ValueId> ids;
  for (const SampleInput& input : sample.inputs) {
    const std::string name = "i" + std::to_string(ids.size());
    if (!input.value.has_value()) {
      ids.push_back(ir::kNone);
    } else if (input.constant && input.value.tensor() != nullptr) {
      ids.push_back(graph.add_constant(name, *input.value.tensor()));
    } else {
      ids.push_back(graph.add_input(name, fact_of(input.value)));
    }
  }
  const ir::NodeId id = graph.add_node(&op, "node", sample.attrs, ids, sample.outputs);
  const std::vector<ir::ValueId> outputs = graph.node(id).outputs;
  for (size_t i = 0; i < outputs.size(); ++i) graph.add_output(outputs[i], "o" + std::to_string(i));
  return graph;
}

void write_seed(const std::string& label, const std::string& text) {
  const char* folder = std::getenv("SLIPWAY_WRITE_SAMPLES");
  if (folder != nullptr) std::ofstream(std::string(folder) + "/" + label + ".txt") << text;
}

TEST(TextForm, EverySampleRoundTrips) {
  size_t samples = 0;
  for (const Op* op : all()) {
    for (const Sample& sample : op->make_samples()) {
      const std::string label = std::string(op->name) + "_" + sample.label;
      ir::Graph graph = graph_of(*op, sample);
      const Status inferred = ir::infer_all(graph);
      ASSERT_TRUE(inferred) << label << ": " << inferred.error().text();
      const ir::PrintOptions whole{.constant_limit = -1};
      const std::string text = ir::print(graph, whole);
      const Result<ir::Graph> parsed = ir::parse(text, lookup);
      ASSERT_TRUE(parsed) << label << ": " << parsed.error().text() << "\n" << text;
      EXPECT_EQ(ir::print(parsed.value(), whole), text) << label;
      EXPECT_TRUE(parsed.value().node(0).attrs == graph.node(0).attrs) << label << "\n" << text;
      write_seed(label, text);
      ++samples;
    }
  }
  EXPECT_GT(samples, 0u);
}

}  // namespace
}  // namespace slipway::ops

// What is wrong in the data only shows at run time: an error with the node's name, from fast kernels and references alike.
#include <gtest/gtest.h>

#include "engine/engine.hpp"
#include "ir/text.hpp"
#include "ops/registry.hpp"
#include "ops/sample.hpp"

namespace slipway::engine {
namespace {

struct Faulty {
  std::string_view text, says;
  std::vector<int64_t> numbers;  ///< the last input
};

void expect_fault(const Faulty& faulty, bool references_only) {
  const auto graph = ir::parse(faulty.text, ops::lookup);
  ASSERT_TRUE(graph) << graph.error().text();
  Options options;
  options.references_only = references_only;
  const auto engine = Engine::from_graph(*graph, options);
  ASSERT_TRUE(engine) << engine.error().text();
  std::vector<ir::Value> inputs, outputs;
  for (const Port& port : (*engine)->inputs()) inputs.emplace_back(ops::sample::counting(port.fact.type, port.fact.dims()));
  const Tensor& last = *inputs.back().tensor();
  inputs.back() = Tensor::vector(faulty.numbers).reshaped(last.dims());
  const Status ran = (*engine)->session()->run(inputs, outputs);
  ASSERT_FALSE(ran) << faulty.text;
  EXPECT_NE(ran.error().text().find("victim"), std::string::npos) << ran.error().text();
  EXPECT_NE(ran.error().text().find(faulty.says), std::string::npos) << ran.error().text();
}

TEST(Faults, AreErrorsThatNameTheNode) {
  const Faulty all[] = {
      {"input %x: f32[2,3]\ninput %i: i64[2]\n%y = Gather(%x, %i) @victim\noutput %y", "7", {0, 7}},
      {"input %x: f32[2,3]\ninput %i: i64[2]\n%y = Gather(%x, %i) {axis=1} @victim\noutput %y", "-4", {0, -4}},
      {"input %x: f32[2,3]\ninput %i: i64[2,3]\n%y = GatherElements(%x, %i) @victim\noutput %y", "2", {0, 1, 0, 1, 2, 0}},
      {"input %x: f32[2,3]\ninput %i: i64[1,2]\n%y = GatherND(%x, %i) @victim\noutput %y", "3", {0, 3}},
      {"input %x: f32[2,3]\ninput %u: f32[1,3]\ninput %i: i64[1,1]\n%y = ScatterND(%x, %i, %u) @victim\noutput %y", "9", {9}},
      {"input %x: i64[2]\ninput %i: i64[2]\n%y = Div(%x, %i) @victim\noutput %y", "zero", {1, 0}},
  };
  for (const Faulty& faulty : all) {
    for (const bool references_only : {false, true}) {
      SCOPED_TRACE(references_only ? "references" : "tactics");
      expect_fault(faulty, references_only);
    }
  }
}

}  // namespace
}  // namespace slipway::engine

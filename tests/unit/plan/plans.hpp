// Plans of graphs in text form, for the tests of planning.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "ir/text.hpp"
#include "kernels/registry.hpp"
#include "ops/registry.hpp"
#include "passes/pipeline.hpp"
#include "plan/plan.hpp"

namespace slipway::plan {

inline ir::Graph graph_of(std::string_view text) {
  auto graph = ir::parse(text, ops::lookup);
  EXPECT_TRUE(graph) << graph.error().text();
  return graph ? std::move(*graph) : ir::Graph();
}

inline ir::Graph optimised(std::string_view text) {
  ir::Graph graph = graph_of(text);
  const auto report = passes::run(graph);
  EXPECT_TRUE(report) << report.error().text();
  return graph;
}

inline PlanOptions portable_options() {
  PlanOptions options;
  options.machine.cpu = cpu_info();
  options.tactic_list = &kernels::all();
  return options;
}

inline std::vector<InputDesc> floats(std::initializer_list<Dims> dims) {
  std::vector<InputDesc> out;
  for (const Dims& d : dims) out.push_back({ir::Fact::tensor(ElementType::f32, d), {}});
  return out;
}

inline std::unique_ptr<Plan> plan_of(const ir::Graph& graph, const std::vector<InputDesc>& inputs,
                                     const PlanOptions& options = portable_options()) {
  auto plan = make(graph, inputs, options);
  EXPECT_TRUE(plan) << plan.error().text();
  return plan ? std::move(*plan) : nullptr;
}

}  // namespace slipway::plan

// Imports models held in strings, as tests want it.
#pragma once

#include <gtest/gtest.h>

#include "import/import.hpp"

namespace slipway::test {

inline Result<ir::Graph> import_text(const std::string& bytes, const std::filesystem::path& folder = {}) {
  return import::read({std::as_bytes(std::span(bytes)), nullptr, folder});
}
/// The graph of a model that must import and verify; an empty graph and a failed test otherwise.
inline ir::Graph import_good(const std::string& bytes) {
  Result<ir::Graph> graph = import_text(bytes);
  EXPECT_TRUE(graph) << graph.error().text();
  if (!graph) return {};
  const Status sound = ir::verify(*graph);
  EXPECT_TRUE(sound) << sound.error().text();
  return std::move(graph).value();
}
/// The error text of a model that must be refused.
inline std::string refusal(const std::string& bytes, ErrorCode code = ErrorCode::invalid_model) {
  Result<ir::Graph> graph = import_text(bytes);
  EXPECT_FALSE(graph);
  if (graph) return {};
  EXPECT_EQ(name(graph.error().code), name(code)) << graph.error().text();
  return graph.error().text();
}
inline std::string fact_of(const ir::Graph& graph, ir::ValueId id) {
  return to_string(graph.value(id).fact, &graph.symbols);
}

}  // namespace slipway::test

#define EXPECT_HAS(text, part) EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

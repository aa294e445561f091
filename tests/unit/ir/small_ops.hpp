// A handful of operators for tests of the graph alone: the real ones live a layer above.
#pragma once

#include "ir/graph.hpp"

namespace slipway::ir {

struct MixedAttrs {
  int64_t count = 1;
  float scale = 0.5F;
  bool flag = false;
  std::string mode = "linear";
  ElementType to = ElementType::undefined;
  std::optional<int64_t> axis = 3;
  std::vector<int64_t> pads;
  std::vector<float> scales = {1.0F};
  std::vector<std::string> words;
  Tensor table;
  std::vector<Tensor> tables;
  std::vector<GraphRef> bodies;
  static constexpr auto fields() {
    using A = MixedAttrs;
    return std::tuple{field("count", &A::count), field("scale", &A::scale),   field("flag", &A::flag),
                      field("mode", &A::mode),   field("to", &A::to),         field("axis", &A::axis),
                      field("pads", &A::pads),   field("scales", &A::scales), field("words", &A::words),
                      field("table", &A::table), field("tables", &A::tables), field("bodies", &A::bodies)};
  }
};

struct BranchAttrs {
  GraphRef body;
  static constexpr auto fields() { return std::tuple{field("body", &BranchAttrs::body, true)}; }
};

inline Status infer_same(InferContext& c) {
  for (size_t i = 0; i < c.output_count(); ++i) c.set(i, c.input(0));
  return {};
}

inline Status infer_add(InferContext& c) {
  if (!compatible(c.input(0), c.input(1))) return Error(ErrorCode::invalid_model, "the sides differ");
  c.set(0, merge(c.input(0), c.input(1)));
  return {};
}

inline Status infer_branch(InferContext& c) {
  const Graph& body = *c.attrs<BranchAttrs>().body;
  for (size_t i = 0; i < c.output_count() && i < body.outputs().size(); ++i) c.set(i, body.value(body.outputs()[i]).fact);
  return {};
}

/// Relu(X), Add(A, B), Tap(X, extra...) -> any number, com.example.Mixed(X?), Branch(X) {body} with captures.
inline const OpInfo* small_op(std::string_view domain, std::string_view name) {
  static const OpInfo kOps[] = {
      {"", "Relu", 1, 1, 1, 1, OpInfo::kElementwise, 0, attr_type<NoAttrs>(), infer_same},
      {"", "Add", 2, 2, 1, 1, OpInfo::kElementwise, 0, attr_type<NoAttrs>(), infer_add},
      {"", "Tap", 1, -1, 1, -1, 0, 0, attr_type<NoAttrs>(), infer_same},
      {"com.example", "Mixed", 1, 2, 1, 1, 0, 0, attr_type<MixedAttrs>(), infer_same},
      {"", "Branch", 1, 1, 1, -1, OpInfo::kHasSubgraph, 0, attr_type<BranchAttrs>(), infer_branch},
  };
  for (const OpInfo& op : kOps) {
    if (op.domain == domain && op.name == name) return &op;
  }
  return nullptr;
}

inline Fact f32(Shape shape) {
  return Fact::tensor(ElementType::f32, std::move(shape));
}

}  // namespace slipway::ir

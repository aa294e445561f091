#include "import/onnx/type_proto.hpp"

#include "import/onnx/limits.hpp"

namespace slipway::import::onnx {
namespace {

using ir::Dim;
using ir::Fact;

Result<ElementType> element_type(int64_t number) {
  if (number >= 0 && number < kElementTypeCount) return static_cast<ElementType>(number);
  return fail(ErrorCode::unsupported, "element type {} is not one that slipway knows", number);
}

/// Placeholders that exporters write for "not known"; taken as names they would make unrelated extents equal.
bool is_name(Text symbol) {
  for (Text placeholder : {"", "?", "*", "-1", "None", "none", "unknown"}) {
    if (symbol == placeholder) return false;
  }
  return true;
}

Dim load_extent(Text message, ir::Graph* graph) {
  Dim extent = Dim::unknown();
  Fields in(message);
  while (in.next()) {
    if (in.tag() == 1) {
      const int64_t value = in.integer();
      extent = value < 0 || value > kMaxTensorElements ? Dim::unknown() : Dim(value);
    } else if (in.tag() == 2) {
      const Text symbol = in.bytes();
      extent = is_name(symbol) && graph != nullptr ? graph->symbol(symbol) : Dim::unknown();
    }
  }
  return extent;
}

Result<Fact> load_tensor_fact(Text message, ir::Graph* graph) {
  Fact fact = Fact::tensor(ElementType::undefined);
  Fields in(message);
  while (in.next()) {
    if (in.tag() == 1) fact.type = TRY(element_type(in.integer()));
    if (in.tag() != 2) continue;
    fact.shape.emplace();
    Fields shape(in.bytes());
    while (shape.next()) {
      if (shape.tag() != 1) continue;
      if (fact.shape->size() == static_cast<size_t>(kMaxRank))
        return fail(ErrorCode::limit, "a shape has more than {} dimensions", kMaxRank);
      fact.shape->push_back(load_extent(shape.bytes(), graph));
    }
  }
  return fact;
}

Result<Fact> load(Text type, ir::Graph* graph, int depth) {
  if (depth > kMaxTypeDepth) return fail(ErrorCode::limit, "a type is nested deeper than {} levels", kMaxTypeDepth);
  Fact fact;
  Fields in(type);
  while (in.next()) {
    const uint32_t kind = in.tag();
    if (kind == 7 || kind == 8)
      return fail(ErrorCode::unsupported, "values of {} type are not read", kind == 7 ? "opaque" : "sparse tensor");
    if (kind != 1 && kind != 4 && kind != 5 && kind != 9) continue;
    const Text message = in.bytes();
    if (kind == 1) {
      fact = TRY(load_tensor_fact(message, graph));
      continue;
    }
    Fact element;
    ElementType key = ElementType::undefined;
    Fields inner(message);
    while (inner.next()) {
      if (kind == 5 && inner.tag() == 1) {
        key = TRY(element_type(inner.integer()));
      } else if (inner.tag() == (kind == 5 ? 2u : 1u)) {
        element = TRY(load(inner.bytes(), graph, depth + 1));
      }
    }
    if (kind == 4) fact = Fact::sequence(std::move(element));
    if (kind == 5) fact = Fact::map(key, std::move(element));
    if (kind == 9) {
      fact = std::move(element);
      fact.optional = true;
    }
  }
  return fact;
}

}  // namespace

Result<Fact> load_fact(Text type, ir::Graph* graph) {
  return load(type, graph, 0);
}

Result<Fact> load_result_fact(Text type, ir::Graph* graph) {
  Fact fact = TRY(load_fact(type, graph));
  if (fact.element && fact.element->shape) {
    Fact element = *fact.element;
    element.shape.reset();
    fact.element = std::make_shared<const Fact>(std::move(element));
  }
  return fact;
}

}  // namespace slipway::import::onnx

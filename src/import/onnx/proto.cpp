#include "import/onnx/proto.hpp"

#include <unordered_set>

#include "import/onnx/limits.hpp"

namespace slipway::import::onnx {
namespace {

Status over(std::string_view what, size_t limit) {
  return fail(ErrorCode::limit, "the model has more than {} {}; slipway takes no larger ones", limit, what);
}

/// Reads messages depth first and counts what it makes.
class Decoder {
 public:
  Status model(Text bytes, ModelProto& out);

 private:
  Status name(Fields& in, Text& out) { return text(in, out, kMaxNameBytes, "a name"); }
  Status text(Fields& in, Text& out, size_t limit, std::string_view what) {
    out = in.bytes();
    if (out.size() <= limit) return {};
    return fail(ErrorCode::limit, "{} of {} bytes is longer than the limit of {}", what, out.size(), limit);
  }
  Status count(size_t& counter, size_t limit, std::string_view what) { return ++counter <= limit ? Status{} : over(what, limit); }
  Status entry() { return count(entries_, kMaxEntries, "metadata entries and declared values"); }

  Status add_name(Fields& in, std::vector<Text>& out) {
    TRY(count(names_, kMaxNames, "node inputs and outputs"));
    return name(in, out.emplace_back());
  }
  Status string_entry(Text bytes, StringEntry& out);
  Status opset(Text bytes, OpsetProto& out);
  Status value(Text bytes, ValueProto& out);
  Status interface_value(Text bytes, ValueProto& out);
  Status symbols_of(Text type, int depth);
  Status symbols_of_shape(Text tensor);
  Status tensor(Text bytes, TensorProto& out);
  Status sparse_tensor(Text bytes, SparseTensorProto& out);
  Status attribute(Text bytes, AttributeProto& out, int depth);
  Status node(Text bytes, NodeProto& out, int depth);
  Status graph(Text bytes, GraphProto& out, int depth);
  Status function(Text bytes, FunctionProto& out);

  template <class T, class F>
  Status add(std::vector<T>& list, F&& decode) {
    list.emplace_back();
    return decode(list.back());
  }

  size_t nodes_ = 0, names_ = 0, attributes_ = 0, tensors_ = 0, entries_ = 0;
  std::unordered_set<Text> symbol_set_;
  std::vector<Text> symbols_;
};

Status Decoder::string_entry(Text bytes, StringEntry& out) {
  TRY(entry());
  Fields in(bytes);
  while (in.next()) {
    if (in.tag() == 1) TRY(name(in, out.first));
    if (in.tag() == 2) TRY(text(in, out.second, kMaxStringBytes, "a metadata value"));
  }
  return {};
}

Status Decoder::opset(Text bytes, OpsetProto& out) {
  TRY(entry());
  Fields in(bytes);
  while (in.next()) {
    if (in.tag() == 1) TRY(name(in, out.domain));
    if (in.tag() == 2) out.version = in.integer();
  }
  out.domain = canonical_domain(out.domain);
  return {};
}

Status Decoder::value(Text bytes, ValueProto& out) {
  TRY(entry());
  Fields in(bytes);
  while (in.next()) {
    if (in.tag() == 1) TRY(name(in, out.name));
    if (in.tag() == 2) out.type = in.bytes();
  }
  return {};
}

Status Decoder::interface_value(Text bytes, ValueProto& out) {
  TRY(value(bytes, out));
  return symbols_of(out.type, 0);
}

Status Decoder::symbols_of(Text type, int depth) {
  if (depth > kMaxTypeDepth) return fail(ErrorCode::limit, "a type is nested deeper than {} levels", kMaxTypeDepth);
  Fields in(type);
  while (in.next()) {
    const uint32_t kind = in.tag();
    if (kind != 1 && kind != 4 && kind != 5 && kind != 9) continue;
    const Text message = in.bytes();
    if (kind == 1) {
      TRY(symbols_of_shape(message));
      continue;
    }
    Fields inner(message);
    while (inner.next()) {
      if (inner.tag() == (kind == 5 ? 2u : 1u)) TRY(symbols_of(inner.bytes(), depth + 1));
    }
  }
  return {};
}

Status Decoder::symbols_of_shape(Text tensor) {
  Fields in(tensor);
  while (in.next()) {
    if (in.tag() != 2) continue;
    Fields shape(in.bytes());
    while (shape.next()) {
      if (shape.tag() != 1) continue;
      Fields extent(shape.bytes());
      while (extent.next()) {
        if (extent.tag() != 2) continue;
        Text symbol;
        TRY(name(extent, symbol));
        if (symbol.empty() || !symbol_set_.insert(symbol).second) continue;
        TRY(entry());
        symbols_.push_back(symbol);
      }
    }
  }
  return {};
}

Status Decoder::tensor(Text bytes, TensorProto& out) {
  TRY(count(tensors_, kMaxTensors, "tensors"));
  out.bytes = bytes;
  Fields in(bytes);
  while (in.next()) {
    if (in.tag() == 8) TRY(name(in, out.name));
  }
  return {};
}

Status Decoder::sparse_tensor(Text bytes, SparseTensorProto& out) {
  TRY(count(tensors_, kMaxTensors, "tensors"));
  out = decode_sparse_tensor(bytes);
  TensorProto values;
  TRY(tensor(out.values, values));
  out.name = values.name;
  return {};
}

Status Decoder::attribute(Text bytes, AttributeProto& out, int depth) {
  TRY(count(attributes_, kMaxAttributes, "attributes"));
  out.bytes = bytes;
  Fields in(bytes);
  while (in.next()) {
    switch (in.tag()) {
      case 1:
        TRY(name(in, out.name));
        break;
      case 21:
        TRY(name(in, out.reference));
        break;
      case 20:
        out.kind = static_cast<AttributeKind>(in.integer());
        break;
      case 6:
      case 11: {
        const Text message = in.bytes();
        TRY(add(out.graphs, [&](GraphProto& g) { return graph(message, g, depth + 1); }));
        break;
      }
      default:
        break;
    }
  }
  return {};
}

Status Decoder::node(Text bytes, NodeProto& out, int depth) {
  TRY(count(nodes_, kMaxNodes, "nodes"));
  Fields in(bytes);
  while (in.next()) {
    switch (in.tag()) {
      case 1:
        TRY(add_name(in, out.inputs));
        break;
      case 2:
        TRY(add_name(in, out.outputs));
        break;
      case 3:
        TRY(name(in, out.name));
        break;
      case 4:
        TRY(name(in, out.op_type));
        break;
      case 5: {
        const Text message = in.bytes();
        TRY(add(out.attributes, [&](AttributeProto& a) { return attribute(message, a, depth); }));
        break;
      }
      case 7:
        TRY(name(in, out.domain));
        break;
      case 8:
        TRY(name(in, out.overload));
        break;
      default:
        break;
    }
  }
  out.domain = canonical_domain(out.domain);
  return {};
}

/// In order of first use. A name counts as made from its node on, so a later redefinition of an outer name is no free name.
void find_free_names(GraphProto& graph) {
  std::unordered_set<Text> made, free;
  for (const ValueProto& v : graph.inputs) made.insert(v.name);
  for (const TensorProto& t : graph.initializers) made.insert(t.name);
  for (const SparseTensorProto& t : graph.sparse_initializers) made.insert(t.name);
  const auto use = [&](Text name) {
    if (!name.empty() && !made.contains(name) && free.insert(name).second) graph.free_names.push_back(name);
  };
  for (const NodeProto& node : graph.nodes) {
    for (Text name : node.inputs) use(name);
    for (const AttributeProto& attribute : node.attributes) {
      for (const GraphProto& inner : attribute.graphs) {
        for (Text name : inner.free_names) use(name);
      }
    }
    made.insert(node.outputs.begin(), node.outputs.end());
  }
  for (const ValueProto& v : graph.outputs) use(v.name);
}

Status Decoder::graph(Text bytes, GraphProto& out, int depth) {
  if (depth > kMaxGraphDepth) return fail(ErrorCode::limit, "sub-graphs are nested deeper than {} levels", kMaxGraphDepth);
  Fields in(bytes);
  while (in.next()) {
    const uint32_t tag = in.tag();
    if (tag == 2) TRY(name(in, out.name));
    if (tag != 1 && tag != 5 && tag != 15 && (tag < 11 || tag > 13)) continue;
    const Text message = in.bytes();
    switch (tag) {
      case 1:
        TRY(add(out.nodes, [&](NodeProto& n) { return node(message, n, depth); }));
        break;
      case 5:
        TRY(add(out.initializers, [&](TensorProto& t) { return tensor(message, t); }));
        break;
      case 15:
        TRY(add(out.sparse_initializers, [&](SparseTensorProto& t) { return sparse_tensor(message, t); }));
        break;
      case 11:
        TRY(add(out.inputs, [&](ValueProto& v) { return interface_value(message, v); }));
        break;
      case 12:
        TRY(add(out.outputs, [&](ValueProto& v) { return interface_value(message, v); }));
        break;
      default:
        TRY(add(out.values, [&](ValueProto& v) { return value(message, v); }));
        break;
    }
  }
  find_free_names(out);
  return {};
}

Status Decoder::function(Text bytes, FunctionProto& out) {
  TRY(entry());
  Fields in(bytes);
  while (in.next()) {
    const uint32_t tag = in.tag();
    switch (tag) {
      case 1:
        TRY(name(in, out.name));
        continue;
      case 4:
        TRY(add_name(in, out.inputs));
        continue;
      case 5:
        TRY(add_name(in, out.outputs));
        continue;
      case 6:
        TRY(add_name(in, out.attributes));
        continue;
      case 10:
        TRY(name(in, out.domain));
        continue;
      case 13:
        TRY(name(in, out.overload));
        continue;
      case 7:
      case 9:
      case 11:
      case 12:
        break;
      default:
        continue;
    }
    const Text message = in.bytes();
    switch (tag) {
      case 7:
        TRY(add(out.nodes, [&](NodeProto& n) { return node(message, n, 0); }));
        break;
      case 9:
        TRY(add(out.opsets, [&](OpsetProto& o) { return opset(message, o); }));
        break;
      case 11:
        TRY(add(out.attribute_defaults, [&](AttributeProto& a) { return attribute(message, a, 0); }));
        break;
      default:
        TRY(add(out.values, [&](ValueProto& v) { return value(message, v); }));
        break;
    }
  }
  out.domain = canonical_domain(out.domain);
  return {};
}

Status Decoder::model(Text bytes, ModelProto& out) {
  Fields in(bytes);
  while (in.next()) {
    switch (in.tag()) {
      case 1:
        out.ir_version = in.integer();
        break;
      case 2:
        TRY(text(in, out.producer_name, kMaxNameBytes, "the producer's name"));
        break;
      case 3:
        TRY(text(in, out.producer_version, kMaxNameBytes, "the producer's version"));
        break;
      case 7: {
        if (out.has_graph) return Error(ErrorCode::invalid_model, "the model has two graphs");
        out.has_graph = true;
        TRY(graph(in.bytes(), out.graph, 0));
        break;
      }
      case 8: {
        const Text message = in.bytes();
        TRY(add(out.opsets, [&](OpsetProto& o) { return opset(message, o); }));
        break;
      }
      case 14: {
        const Text message = in.bytes();
        TRY(add(out.metadata, [&](StringEntry& e) { return string_entry(message, e); }));
        break;
      }
      case 25: {
        const Text message = in.bytes();
        TRY(add(out.functions, [&](FunctionProto& f) { return function(message, f); }));
        break;
      }
      default:
        break;
    }
  }
  out.symbols = std::move(symbols_);
  return {};
}

}  // namespace

SparseTensorProto decode_sparse_tensor(Text bytes) {
  SparseTensorProto out{.bytes = bytes};
  Fields in(bytes);
  while (in.next()) {
    if (in.tag() == 1) out.values = in.bytes();
    if (in.tag() == 2) out.indices = in.bytes();
    if (in.tag() == 3) in.integers([&](int64_t extent) { out.dims.push_back(extent); });
  }
  return out;
}

Result<ModelProto> decode_model(Text bytes) {
  return guarded("the file", [&]() -> Result<ModelProto> {
    ModelProto model;
    TRY(Decoder().model(bytes, model));
    return model;
  });
}

}  // namespace slipway::import::onnx

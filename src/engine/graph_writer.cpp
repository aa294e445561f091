#include "engine/graph_writer.hpp"

#include "engine/engine_file.hpp"

namespace slipway::engine {

using flatbuffers::Offset;

Offset<fb::Fact> GraphWriter::fact(const ir::Fact& f) {
  Offset<fb::Fact> element;
  if (f.element) element = fact(*f.element);
  std::vector<int64_t> shape;
  if (f.shape) {
    for (ir::Dim d : *f.shape) shape.push_back(d.value());
  }
  const auto dims = b_.CreateVector(shape);
  return fb::CreateFact(b_, static_cast<uint8_t>(f.kind), f.optional, static_cast<uint8_t>(f.type), f.shape.has_value(), dims,
                        element);
}

Offset<fb::Tensor> GraphWriter::tensor(const Tensor& t) {
  const auto dims = b_.CreateVector(std::vector<int64_t>(t.dims().begin(), t.dims().end()));
  if (t.type() == ElementType::string) {
    std::vector<Offset<flatbuffers::String>> strings;
    for (int64_t i = 0; i < t.count(); ++i) strings.push_back(b_.CreateString(t.as<std::string>()[i]));
    return fb::CreateTensor(b_, static_cast<uint8_t>(t.type()), dims, -1, 0, b_.CreateVector(strings));
  }
  if (t.bytes() < kConstantBytes) {
    const auto bytes = b_.CreateVector(t.as<uint8_t>(), t.bytes());
    return fb::CreateTensor(b_, static_cast<uint8_t>(t.type()), dims, -1, bytes);
  }
  const auto [at, fresh] = known_.try_emplace({t.data(), t.bytes()}, static_cast<int>(constants_.size()));
  if (fresh) constants_.push_back(t);
  return fb::CreateTensor(b_, static_cast<uint8_t>(t.type()), dims, at->second);
}

Offset<fb::Attr> GraphWriter::attr(const ir::AttrEntry& entry) {
  const ir::AttrValue& v = entry.value;
  Offset<flatbuffers::String> text;
  Offset<flatbuffers::Vector<int64_t>> ints;
  Offset<flatbuffers::Vector<float>> floats;
  Offset<flatbuffers::Vector<Offset<flatbuffers::String>>> strings;
  std::vector<Offset<fb::Tensor>> tensors;
  std::vector<Offset<fb::Graph>> graphs;
  if (const auto* s = std::get_if<std::string>(&v)) text = b_.CreateString(*s);
  if (const auto* list = std::get_if<std::vector<int64_t>>(&v)) ints = b_.CreateVector(*list);
  if (const auto* list = std::get_if<std::vector<float>>(&v)) floats = b_.CreateVector(*list);
  if (const auto* list = std::get_if<std::vector<std::string>>(&v)) strings = b_.CreateVectorOfStrings(*list);
  if (const auto* t = std::get_if<Tensor>(&v)) tensors.push_back(tensor(*t));
  if (const auto* list = std::get_if<std::vector<Tensor>>(&v)) {
    for (const Tensor& t : *list) tensors.push_back(tensor(t));
  }
  if (const auto* g = std::get_if<ir::GraphRef>(&v)) graphs.push_back(graph(**g));
  if (const auto* list = std::get_if<std::vector<ir::GraphRef>>(&v)) {
    for (const ir::GraphRef& g : *list) graphs.push_back(graph(*g));
  }
  const auto name = b_.CreateString(std::string(entry.name));
  const auto tensor_list = b_.CreateVector(tensors);
  const auto graph_list = b_.CreateVector(graphs);
  fb::AttrBuilder out(b_);
  out.add_name(name);
  out.add_kind(static_cast<uint8_t>(v.index()));
  if (const auto* i = std::get_if<int64_t>(&v)) out.add_i(*i);
  if (const auto* f = std::get_if<float>(&v)) out.add_f(*f);
  out.add_s(text);
  out.add_ints(ints);
  out.add_floats(floats);
  out.add_strings(strings);
  out.add_tensors(tensor_list);
  out.add_graphs(graph_list);
  return out.Finish();
}

Offset<fb::Node> GraphWriter::node(const ir::Node& n) {
  std::vector<Offset<fb::Attr>> attrs;
  for (const ir::AttrEntry& entry : n.attrs.entries()) {
    const auto* g = std::get_if<ir::GraphRef>(&entry.value);
    if (!entry.is_default && !(g != nullptr && *g == nullptr)) attrs.push_back(attr(entry));
  }
  const auto domain = b_.CreateString(std::string(n.op->domain)), op = b_.CreateString(std::string(n.op->name)),
             name = b_.CreateString(n.name);
  const auto attr_list = b_.CreateVector(attrs);
  const auto inputs = b_.CreateVector(n.inputs), outputs = b_.CreateVector(n.outputs);
  return fb::CreateNode(b_, domain, op, name, attr_list, inputs, outputs, n.captures_at);
}

Offset<fb::Graph> GraphWriter::graph(const ir::Graph& g) {
  std::vector<bool> used(g.value_count(), false);
  for (ir::NodeId id = 0; id < g.node_slots(); ++id) {
    for (ir::ValueId v : g.node(id).inputs) {
      if (v != ir::kNone) used[v] = true;
    }
  }
  for (ir::ValueId v : g.outputs()) used[v] = true;
  std::vector<Offset<fb::Value>> values;
  for (ir::ValueId v = 0; v < g.value_count(); ++v) {
    const ir::ValueInfo& info = g.value(v);
    Offset<fb::Tensor> constant;
    if (info.is_constant() && used[v]) constant = tensor(info.constant);
    const auto name = b_.CreateString(info.name);
    const auto f = fact(info.fact);
    values.push_back(fb::CreateValue(b_, name, f, constant));
  }
  std::vector<Offset<fb::Node>> nodes;
  for (ir::NodeId id = 0; id < g.node_slots(); ++id) {
    if (g.node(id).alive()) nodes.push_back(node(g.node(id)));
  }
  std::vector<Offset<fb::Pair>> metadata;
  for (const auto& [key, value] : g.metadata) {
    const auto k = b_.CreateString(key), v = b_.CreateString(value);
    metadata.push_back(fb::CreatePair(b_, k, v));
  }
  const auto name = b_.CreateString(g.name), producer = b_.CreateString(g.producer);
  const auto pairs = b_.CreateVector(metadata);
  const auto symbols = b_.CreateVectorOfStrings(g.symbols);
  const auto value_list = b_.CreateVector(values);
  const auto node_list = b_.CreateVector(nodes);
  const auto inputs = b_.CreateVector(g.inputs()), outputs = b_.CreateVector(g.outputs());
  const auto output_names = b_.CreateVectorOfStrings(g.output_names());
  return fb::CreateGraph(b_, name, producer, pairs, symbols, value_list, node_list, inputs, outputs, output_names);
}

}  // namespace slipway::engine

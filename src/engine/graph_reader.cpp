#include "engine/graph_reader.hpp"

#include <cstring>

#include "base/format.hpp"
#include "ops/registry.hpp"

namespace slipway::engine {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 40;
constexpr int kMaxFactDepth = 16;

Error damaged(std::string_view what) {
  return fail(ErrorCode::invalid_model, "the engine file's metadata is damaged: {}; build it again", what);
}

std::string text(const flatbuffers::String* s) {
  return s == nullptr ? std::string() : s->str();
}

Result<ElementType> element_type(uint8_t number) {
  if (number >= kElementTypeCount) return damaged("an unknown element type");
  return static_cast<ElementType>(number);
}

/// `symbols`: how many the graph has.
Result<ir::Fact> read_fact(const fb::Fact* f, int64_t symbols, int depth = 0) {
  ir::Fact out;
  if (f == nullptr) return out;
  if (f->kind() > static_cast<uint8_t>(ir::Fact::Kind::map) || depth > kMaxFactDepth) return damaged("an unknown kind of value");
  out.kind = static_cast<ir::Fact::Kind>(f->kind());
  out.optional = f->optional();
  out.type = TRY(element_type(f->type()));
  if (f->has_shape()) {
    ir::Shape shape;
    if (f->shape() != nullptr) {
      if (f->shape()->size() > kMaxRank) return damaged("a rank beyond the limit");
      std::vector<int64_t> known;
      for (int64_t d : longs(f->shape())) {
        if (d < -1 - symbols) return damaged("an unknown symbol");
        if (d >= 0) known.push_back(d);
        shape.push_back(d <= -2 ? ir::Dim::symbol(static_cast<int>(-2 - d)) : ir::Dim(d));
      }
      if (checked_count(known, kMaxElements) < 0) return damaged("impossible extents");
    }
    out.shape = std::move(shape);
  }
  if (f->element() != nullptr) out.element = std::make_shared<const ir::Fact>(TRY(read_fact(f->element(), symbols, depth + 1)));
  const bool holds = out.kind == ir::Fact::Kind::sequence || out.kind == ir::Fact::Kind::map;
  if (holds != (out.element != nullptr)) return damaged("a sequence or map without an element type");
  return out;
}

Result<Tensor> read_tensor(const fb::Tensor& t, const ConstantReader& constant) {
  const ElementType type = TRY(element_type(t.type()));
  if (type == ElementType::undefined) return damaged("a constant without a type");
  const std::vector<int64_t> extents = longs(t.dims());
  if (extents.size() > kMaxRank || checked_count(extents, kMaxElements) < 0) return damaged("a constant with impossible extents");
  const Dims dims{std::span<const int64_t>(extents)};
  if (t.constant() >= 0) return constant(t.constant(), type, dims);
  if (type == ElementType::string) {
    if ((t.strings() == nullptr ? 0 : t.strings()->size()) != static_cast<uint64_t>(dims.count()))
      return damaged("a count of strings");
    Tensor out(type, dims);
    for (int64_t i = 0; i < dims.count(); ++i) out.as<std::string>()[i] = text(t.strings()->Get(static_cast<uint32_t>(i)));
    return out;
  }
  if ((t.bytes() == nullptr ? 0 : t.bytes()->size()) != byte_size(type, dims.count())) return damaged("a count of bytes");
  Tensor out(type, dims);
  if (out.bytes() != 0) std::memcpy(out.data(), t.bytes()->data(), out.bytes());
  return out;
}

template <class T, class V>
std::vector<T> list(const V* vector) {
  return vector == nullptr ? std::vector<T>() : std::vector<T>(vector->begin(), vector->end());
}

std::vector<std::string> strings(const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* vector) {
  std::vector<std::string> out;
  for (uint32_t i = 0; vector != nullptr && i < vector->size(); ++i) out.push_back(text(vector->Get(i)));
  return out;
}

Result<ir::AttrValue> read_attr(const fb::Attr& a, const ConstantReader& constant, int depth) {
  const auto tensors = [&]() -> Result<std::vector<Tensor>> {
    std::vector<Tensor> out;
    for (uint32_t i = 0; a.tensors() != nullptr && i < a.tensors()->size(); ++i)
      out.push_back(TRY(read_tensor(*a.tensors()->Get(i), constant)));
    return out;
  };
  const auto graphs = [&]() -> Result<std::vector<ir::GraphRef>> {
    std::vector<ir::GraphRef> out;
    for (uint32_t i = 0; a.graphs() != nullptr && i < a.graphs()->size(); ++i) {
      out.push_back(std::make_shared<const ir::Graph>(TRY(read_graph(*a.graphs()->Get(i), constant, depth + 1))));
    }
    return out;
  };
  switch (a.kind()) {
    case 0:
      return ir::AttrValue();
    case 1:
      return ir::AttrValue(int64_t{a.i()});
    case 2:
      return ir::AttrValue(a.f());
    case 3:
      return ir::AttrValue(text(a.s()));
    case 4:
      return ir::AttrValue(longs(a.ints()));
    case 5:
      return ir::AttrValue(list<float>(a.floats()));
    case 6:
      return ir::AttrValue(strings(a.strings()));
    case 7: {
      std::vector<Tensor> held = TRY(tensors());
      if (held.size() != 1) return damaged("a tensor attribute");
      return ir::AttrValue(std::move(held[0]));
    }
    case 8: {
      std::vector<ir::GraphRef> held = TRY(graphs());
      if (held.size() != 1) return damaged("a graph attribute");
      return ir::AttrValue(std::move(held[0]));
    }
    case 9:
      return ir::AttrValue(TRY(tensors()));
    case 10:
      return ir::AttrValue(TRY(graphs()));
    default:
      return damaged("an attribute of unknown kind");
  }
}

}  // namespace

Result<ir::Graph> read_graph(const fb::Graph& source, const ConstantReader& constant, int depth) {
  if (depth > kMaxGraphDepth) return damaged("sub-graphs are nested too deeply");
  ir::Graph g;
  g.name = text(source.name());
  g.producer = text(source.producer());
  g.symbols = strings(source.symbols());
  for (uint32_t i = 0; source.metadata() != nullptr && i < source.metadata()->size(); ++i) {
    g.metadata[text(source.metadata()->Get(i)->key())] = text(source.metadata()->Get(i)->value());
  }
  for (uint32_t i = 0; source.values() != nullptr && i < source.values()->size(); ++i) {
    const fb::Value& v = *source.values()->Get(i);
    const ir::ValueId id = g.add_value(text(v.name()), TRY(read_fact(v.fact(), static_cast<int64_t>(g.symbols.size()))));
    if (v.constant() != nullptr) g.value(id).constant = TRY(read_tensor(*v.constant(), constant));
  }
  const auto valid = [&](uint32_t v) { return v < g.value_count(); };
  for (uint32_t i = 0; source.nodes() != nullptr && i < source.nodes()->size(); ++i) {
    const fb::Node& n = *source.nodes()->Get(i);
    ir::Node node;
    node.op = ops::lookup(text(n.domain()), text(n.op()));
    if (node.op == nullptr) {
      return fail(ErrorCode::unsupported, "the engine uses operator {} which this slipway does not have", text(n.op()));
    }
    node.name = text(n.name());
    node.attrs = ir::Attrs(node.op->attrs);
    for (uint32_t k = 0; n.attrs() != nullptr && k < n.attrs()->size(); ++k) {
      const fb::Attr& a = *n.attrs()->Get(k);
      TRY(node.attrs.set(text(a.name()), TRY(read_attr(a, constant, depth))));
    }
    node.inputs = list<ir::ValueId>(n.inputs());
    node.outputs = list<ir::ValueId>(n.outputs());
    node.captures_at = n.captures_at();
    for (ir::ValueId v : node.inputs) {
      if (v != ir::kNone && !valid(v)) return damaged("a node reads a value that is not there");
    }
    for (ir::ValueId v : node.outputs) {
      if (v != ir::kNone && (!valid(v) || g.value(v).producer != ir::kNone || g.value(v).is_constant())) {
        return damaged("two producers of one value");
      }
    }
    if (node.captures_at != ir::kNone && node.captures_at > node.inputs.size()) return damaged("captured values out of range");
    g.add_node(std::move(node));
  }
  const std::vector<ir::ValueId> inputs = list<ir::ValueId>(source.inputs()), outputs = list<ir::ValueId>(source.outputs());
  const std::vector<std::string> names = strings(source.output_names());
  if (names.size() != outputs.size()) return damaged("outputs and their names");
  for (ir::ValueId v : inputs) {
    if (!valid(v) || g.value(v).producer != ir::kNone) return damaged("an input that is not a free value");
  }
  g.set_inputs(inputs);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!valid(outputs[i])) return damaged("an output that is not there");
    g.add_output(outputs[i], names[i]);
  }
  return g;
}

}  // namespace slipway::engine

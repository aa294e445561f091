// Writes protobuf messages and small ONNX models for tests, right or deliberately wrong.
#pragma once

#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace slipway::test {

class Message {
 public:
  Message& integer(uint32_t tag, int64_t value) {
    key(tag, 0);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Message& bytes(uint32_t tag, std::string_view value) {
    key(tag, 2);
    varint(value.size());
    text_ += value;
    return *this;
  }
  Message& add(uint32_t tag, const Message& message) { return bytes(tag, message.text_); }
  Message& f32(uint32_t tag, float value) {
    key(tag, 5);
    char raw[sizeof value];
    std::memcpy(raw, &value, sizeof value);
    text_.append(raw, sizeof raw);
    return *this;
  }
  Message& packed(uint32_t tag, std::initializer_list<int64_t> values) {
    Message inner;
    for (int64_t v : values) inner.varint(static_cast<uint64_t>(v));
    return add(tag, inner);
  }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
  }
  const std::string& text() const { return text_; }

 private:
  void key(uint32_t tag, uint32_t wire) { varint(uint64_t{tag} << 3 | wire); }
  std::string text_;
};

template <class T>
std::string raw(std::initializer_list<T> values) {
  return std::string(reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(T));
}

/// TensorProto; `data` goes to raw_data.
inline Message tensor(std::string_view name, int type, std::initializer_list<int64_t> dims, std::string_view data) {
  return Message().packed(1, dims).integer(2, type).bytes(8, name).bytes(9, data);
}
inline Message floats(std::string_view name, std::initializer_list<int64_t> dims, std::initializer_list<float> values) {
  return tensor(name, 1, dims, raw(values));
}
inline Message int64s(std::string_view name, std::initializer_list<int64_t> dims, std::initializer_list<int64_t> values) {
  return tensor(name, 7, dims, raw(values));
}

using Extent = std::variant<int64_t, std::string>;
/// TypeProto of a tensor.
inline Message tensor_type(int type, const std::vector<Extent>& shape) {
  Message dims;
  for (const Extent& e : shape) {
    Message dim;
    if (const auto* known = std::get_if<int64_t>(&e)) {
      dim.integer(1, *known);
    } else {
      dim.bytes(2, std::get<std::string>(e));
    }
    dims.add(1, dim);
  }
  return Message().add(1, Message().integer(1, type).add(2, dims));
}
inline Message value(std::string_view name, const Message& type) {
  return Message().bytes(1, name).add(2, type);
}
inline Message value(std::string_view name, int type, const std::vector<Extent>& shape) {
  return value(name, tensor_type(type, shape));
}

using Names = std::vector<std::string_view>;
struct NodeParts {
  std::string_view op;
  Names inputs, outputs;
  std::string_view name = {}, domain = {}, overload = {};
};
inline Message node(const NodeParts& parts, std::initializer_list<Message> attributes = {}) {
  Message m;
  for (auto name : parts.inputs) m.bytes(1, name);
  for (auto name : parts.outputs) m.bytes(2, name);
  if (!parts.name.empty()) m.bytes(3, parts.name);
  m.bytes(4, parts.op);
  for (const Message& a : attributes) m.add(5, a);
  if (!parts.domain.empty()) m.bytes(7, parts.domain);
  if (!parts.overload.empty()) m.bytes(8, parts.overload);
  return m;
}

inline Message attr_int(std::string_view name, int64_t value) {
  return Message().bytes(1, name).integer(3, value).integer(20, 2);
}
inline Message attr_float(std::string_view name, float value) {
  return Message().bytes(1, name).f32(2, value).integer(20, 1);
}
inline Message attr_ints(std::string_view name, std::initializer_list<int64_t> values) {
  Message m = Message().bytes(1, name).integer(20, 7);
  for (int64_t v : values) m.integer(8, v);
  return m;
}
inline Message attr_string(std::string_view name, std::string_view value) {
  return Message().bytes(1, name).bytes(4, value).integer(20, 3);
}
inline Message attr_tensor(std::string_view name, const Message& value) {
  return Message().bytes(1, name).add(5, value).integer(20, 4);
}
inline Message attr_graph(std::string_view name, const Message& value) {
  return Message().bytes(1, name).add(6, value).integer(20, 5);
}
inline Message attr_reference(std::string_view name, std::string_view to, int kind) {
  return Message().bytes(1, name).bytes(21, to).integer(20, kind);
}

struct GraphParts {
  std::vector<Message> nodes, inputs, outputs, initializers = {}, values = {}, sparse = {};
};
inline Message graph(const GraphParts& parts) {
  Message m;
  for (const Message& x : parts.nodes) m.add(1, x);
  m.bytes(2, "g");
  for (const Message& x : parts.initializers) m.add(5, x);
  for (const Message& x : parts.inputs) m.add(11, x);
  for (const Message& x : parts.outputs) m.add(12, x);
  for (const Message& x : parts.values) m.add(13, x);
  for (const Message& x : parts.sparse) m.add(15, x);
  return m;
}

inline Message opset(std::string_view domain, int64_t version) {
  return Message().bytes(1, domain).integer(2, version);
}

struct FunctionParts {
  std::string_view domain, name;
  Names inputs, outputs, attributes = {};
  std::vector<Message> nodes, opsets, defaults = {};
  std::string_view overload = {};
};
inline Message function(const FunctionParts& parts) {
  Message m = Message().bytes(1, parts.name).bytes(10, parts.domain);
  for (auto name : parts.inputs) m.bytes(4, name);
  for (auto name : parts.outputs) m.bytes(5, name);
  for (auto name : parts.attributes) m.bytes(6, name);
  for (const Message& x : parts.nodes) m.add(7, x);
  for (const Message& x : parts.opsets) m.add(9, x);
  for (const Message& x : parts.defaults) m.add(11, x);
  if (!parts.overload.empty()) m.bytes(13, parts.overload);
  return m;
}

struct ModelOptions {
  int64_t ir = 8, opset = 17;
  std::vector<Message> functions = {};
  std::vector<Message> opsets = {};  ///< beside the standard one
};
inline std::string model(const Message& graph, const ModelOptions& options = {}) {
  Message m = Message().integer(1, options.ir).bytes(2, "writer").bytes(3, "1.0").add(8, opset("", options.opset));
  for (const Message& x : options.opsets) m.add(8, x);
  m.add(7, graph);
  for (const Message& x : options.functions) m.add(25, x);
  m.add(14, Message().bytes(1, "author").bytes(2, "a test"));
  return m.text();
}

constexpr int kF32 = 1, kI64 = 7, kBool = 9;

/// One node between one input "x" and one output "y", both f32 of `shape`.
inline std::string one_node_model(const Message& n, const std::vector<Extent>& shape, const ModelOptions& options = {}) {
  return model(graph({{n}, {value("x", kF32, shape)}, {value("y", kF32, shape)}}), options);
}

}  // namespace slipway::test

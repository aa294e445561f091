#include "import/onnx/tensor_proto.hpp"

#include <cstring>
#include <protozero/pbf_writer.hpp>
#include <span>

#include "base/low_precision.hpp"
#include "import/onnx/limits.hpp"
#include "import/onnx/tensor_data.hpp"
#include "ir/fact.hpp"

namespace slipway::import::onnx {
namespace {

using ir::Value;
using Kind = ir::Fact::Kind;

/// Reads messages of onnx-data.proto. Each says what its elements are, so that only the outermost needs a fact.
class Reader {
 public:
  explicit Reader(TensorSource& source) : source_(source) {}

  Result<Value> tensor(Text message) { return Value(TRY(load_tensor(message, source_))); }
  Result<Value> sparse_tensor(Text message) { return Value(TRY(load_sparse_tensor(message, source_))); }
  Result<Value> sequence(Text message, int depth);
  Result<Value> map(Text message, int depth);
  Result<Value> optional(Text message, int depth);

 private:
  /// The element in field `tag` of a SequenceProto or OptionalProto: 3 tensor ... 7 optional.
  Result<Value> element(uint32_t tag, Text message, int depth);

  TensorSource& source_;
};

Result<Value> Reader::element(uint32_t tag, Text message, int depth) {
  if (depth > kMaxTypeDepth) return fail(ErrorCode::limit, "a value is nested deeper than {} levels", kMaxTypeDepth);
  switch (tag) {
    case 3:
      return tensor(message);
    case 4:
      return sparse_tensor(message);
    case 5:
      return sequence(message, depth + 1);
    case 6:
      return map(message, depth + 1);
    default:
      return optional(message, depth + 1);
  }
}

Result<Value> Reader::sequence(Text message, int depth) {
  auto elements = std::make_shared<std::vector<Value>>();
  Fields in(message);
  while (in.next()) {
    if (in.tag() >= 3 && in.tag() <= 7) {
      const uint32_t tag = in.tag();
      elements->push_back(TRY(element(tag, in.bytes(), depth)));
    }
  }
  return Value(ir::Sequence(std::move(elements)));
}

Result<Value> Reader::optional(Text message, int depth) {
  Value value;
  Fields in(message);
  while (in.next()) {
    if (in.tag() >= 3 && in.tag() <= 7) {
      const uint32_t tag = in.tag();
      value = TRY(element(tag, in.bytes(), depth));
    }
  }
  return value;
}

/// One tensor of `parts`' elements, which must be single elements of one type.
Result<Tensor> joined(const std::vector<Value>& parts) {
  Tensor out;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Tensor* part = parts[i].tensor();
    if (part == nullptr || part->count() != 1 || (out && part->type() != out.type()) || (bits(part->type()) % 8) != 0) {
      return Error(ErrorCode::unsupported, "only maps to single numbers or strings are read");
    }
    if (!out) out = Tensor(part->type(), {static_cast<int64_t>(parts.size())});
    if (out.type() == ElementType::string) {
      out.as<std::string>()[i] = *part->as<std::string>();
    } else {
      const size_t width = byte_size(out.type(), 1);
      std::memcpy(out.as<char>() + i * width, part->data(), width);
    }
  }
  return out;
}

Result<Value> Reader::map(Text message, int depth) {
  std::vector<int64_t> keys;
  std::vector<std::string> string_keys;
  Value values;
  int64_t key_type = 0;
  Fields in(message);
  while (in.next()) {
    switch (in.tag()) {
      case 2:
        key_type = in.integer();
        break;
      case 3:
        in.integers([&](int64_t key) { keys.push_back(key); });
        break;
      case 4:
        string_keys.emplace_back(in.bytes());
        break;
      case 5:
        values = TRY(element(5, in.bytes(), depth));
        break;
      default:
        break;
    }
  }
  ir::Map map;
  if (key_type == static_cast<int64_t>(ElementType::string)) {
    map.keys = Tensor::from<std::string>(ElementType::string, {static_cast<int64_t>(string_keys.size())}, string_keys);
  } else {
    map.keys = Tensor::vector(keys);
  }
  if (values.sequence() != nullptr) map.values = TRY(joined(*values.sequence()));
  if ((map.values ? map.values.count() : 0) != map.keys.count()) {
    return Error(ErrorCode::invalid_model, "a map has as many keys as values, this one has not");
  }
  return Value(std::make_shared<const ir::Map>(std::move(map)));
}

}  // namespace

Result<Tensor> read_tensor(const FileBytes& file) {
  TensorSource source{file.owner(), nullptr, 0};
  return guarded("the tensor file", [&] { return load_tensor(file.text(), source); });
}

Result<Value> read_value(const FileBytes& file, const ir::Fact& fact) {
  TensorSource source{file.owner(), nullptr, 0};
  Reader reader(source);
  return guarded("the value file", [&]() -> Result<Value> {
    if (fact.optional) return reader.optional(file.text(), 0);
    if (fact.kind == Kind::sequence) return reader.sequence(file.text(), 0);
    if (fact.kind == Kind::map) return reader.map(file.text(), 0);
    return reader.tensor(file.text());
  });
}

namespace {

/// What an element of a SequenceProto is called: two less than the field that holds it.
int32_t kind_of(const Value& value) {
  return value.tensor() != nullptr ? 1 : value.sequence() != nullptr ? 3 : value.map() != nullptr ? 4 : 5;
}

void write_elements(protozero::pbf_writer& message, std::span<const Value> elements) {
  if (!elements.empty()) message.add_int32(2, kind_of(elements[0]));
  for (const Value& element : elements) {
    const std::string text = write_value(element);
    message.add_message(static_cast<protozero::pbf_tag_type>(kind_of(element) + 2), text);
  }
}

/// The elements of a vector as scalars.
std::vector<Value> scalars_of(const Tensor& tensor) {
  std::vector<Value> out;
  const size_t width = byte_size(tensor.type(), 1);
  for (int64_t i = 0; i < tensor.count(); ++i) {
    Tensor one(tensor.type(), {});
    if (tensor.type() == ElementType::string) {
      *one.as<std::string>() = tensor.as<std::string>()[i];
    } else {
      std::memcpy(one.data(), tensor.as<char>() + static_cast<size_t>(i) * width, width);
    }
    out.emplace_back(std::move(one));
  }
  return out;
}

}  // namespace

std::string write_value(const Value& value, std::string_view name) {
  if (const Tensor* tensor = value.tensor()) return write_tensor(*tensor, name);
  std::string out;
  protozero::pbf_writer message(out);
  if (!name.empty()) message.add_string(1, name.data(), name.size());
  if (const std::vector<Value>* sequence = value.sequence()) write_elements(message, *sequence);
  if (const ir::Map* map = value.map()) {
    message.add_int32(2, static_cast<int32_t>(map->keys.type()));
    if (map->keys.type() == ElementType::string) {
      for (int64_t i = 0; i < map->keys.count(); ++i) message.add_bytes(4, map->keys.as<std::string>()[i]);
    } else {
      const std::vector<int64_t> keys = to_int64s(map->keys);
      message.add_packed_int64(3, keys.begin(), keys.end());
    }
    std::string values;
    protozero::pbf_writer inner(values);
    write_elements(inner, scalars_of(map->values));
    message.add_message(5, values);
  }
  return out;
}

std::string write_tensor(const Tensor& tensor, std::string_view name) {
  std::string out;
  protozero::pbf_writer message(out);
  message.add_packed_int64(1, tensor.dims().begin(), tensor.dims().end());
  message.add_int32(2, static_cast<int32_t>(tensor.type()));
  if (!name.empty()) message.add_string(8, name.data(), name.size());
  if (tensor.type() == ElementType::string) {
    for (int64_t i = 0; i < tensor.count(); ++i) message.add_bytes(6, tensor.as<std::string>()[i]);
  } else {
    message.add_bytes(9, static_cast<const char*>(tensor.data()), tensor.bytes());
  }
  return out;
}

}  // namespace slipway::import::onnx

#include "import/onnx/attribute.hpp"

#include "import/onnx/limits.hpp"
#include "import/onnx/type_proto.hpp"

namespace slipway::import::onnx {
namespace {

/// The field of AttributeProto that holds each kind, by AttributeKind.
constexpr uint32_t kFieldOf[] = {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 22, 23, 14, 15};
constexpr int32_t kKinds = 15;

Result<std::string> checked_string(Text text) {
  if (text.size() <= kMaxStringBytes) return std::string(text);
  return fail(ErrorCode::limit, "a string of {} bytes is beyond the limit of {}", text.size(), kMaxStringBytes);
}

template <class T, class F>
Result<ir::AttrValue> list(Text message, uint32_t tag, F&& read) {
  std::vector<T> out;
  Fields in(message);
  while (in.next()) {
    if (in.tag() == tag) TRY(read(in, out));
  }
  return ir::AttrValue(std::move(out));
}

Result<ir::AttrValue> single(Text message, AttributeKind kind, uint32_t tag, TensorSource& source) {
  ir::AttrValue out;
  if (kind == AttributeKind::f32) out = 0.0f;
  if (kind == AttributeKind::integer) out = int64_t{0};
  if (kind == AttributeKind::string) out = std::string();
  Fields in(message);
  while (in.next()) {
    if (in.tag() != tag) continue;
    switch (kind) {
      case AttributeKind::f32:
        out = in.f32();
        break;
      case AttributeKind::integer:
        out = in.integer();
        break;
      case AttributeKind::string:
        out = TRY(checked_string(in.bytes()));
        break;
      case AttributeKind::tensor:
        out = TRY(load_tensor(in.bytes(), source));
        break;
      case AttributeKind::sparse_tensor:
        out = TRY(load_sparse_tensor(in.bytes(), source));
        break;
      default: {
        const ir::Fact fact = TRY(load_fact(in.bytes(), nullptr));
        out = to_string(fact);
      }
    }
  }
  if (out.index() == 0) return Error(ErrorCode::invalid_model, "it is declared to hold a tensor or a type, but holds nothing");
  return out;
}

}  // namespace

AttributeKind kind_of(const AttributeProto& attribute) {
  if (attribute.kind != AttributeKind::undefined) return attribute.kind;
  Fields in(attribute.bytes);
  while (in.next()) {
    for (int32_t kind = 1; kind < kKinds; ++kind) {
      if (in.tag() == kFieldOf[kind]) return static_cast<AttributeKind>(kind);
    }
  }
  return AttributeKind::undefined;
}

Result<ir::AttrValue> load_attribute(const AttributeProto& attribute, TensorSource& source) {
  const AttributeKind kind = kind_of(attribute);
  const auto number = static_cast<int32_t>(kind);
  if (number <= 0 || number >= kKinds) return fail(ErrorCode::invalid_model, "it has the unknown kind {}", number);
  const uint32_t tag = kFieldOf[number];
  const auto tensors = [&](Result<Tensor> (*load)(Text, TensorSource&)) {
    return list<Tensor>(attribute.bytes, tag, [&](Fields& in, std::vector<Tensor>& out) -> Status {
      out.push_back(TRY(load(in.bytes(), source)));
      return {};
    });
  };
  switch (kind) {
    case AttributeKind::floats:
      return list<float>(attribute.bytes, tag, [](Fields& in, std::vector<float>& out) {
        in.floats(out);
        return Status();
      });
    case AttributeKind::integers:
      return list<int64_t>(attribute.bytes, tag, [](Fields& in, std::vector<int64_t>& out) {
        in.integers([&](int64_t value) { out.push_back(value); });
        return Status();
      });
    case AttributeKind::strings:
      return list<std::string>(attribute.bytes, tag, [](Fields& in, std::vector<std::string>& out) -> Status {
        out.push_back(TRY(checked_string(in.bytes())));
        return {};
      });
    case AttributeKind::tensors:
      return tensors(load_tensor);
    case AttributeKind::sparse_tensors:
      return tensors(load_sparse_tensor);
    case AttributeKind::types:
      return Error(ErrorCode::unsupported, "lists of types are not read");
    case AttributeKind::graph:
    case AttributeKind::graphs:
      return Error(ErrorCode::invalid_model, "it is declared to hold a sub-graph, but holds none");
    default:
      return single(attribute.bytes, kind, tag, source);
  }
}

}  // namespace slipway::import::onnx

#include "serve/codec/tensor_spec.hpp"

namespace slipway::serve {

std::string_view datatype_name(ElementType type) {
  switch (type) {
    case ElementType::boolean:
      return "BOOL";
    case ElementType::u8:
      return "UINT8";
    case ElementType::u16:
      return "UINT16";
    case ElementType::u32:
      return "UINT32";
    case ElementType::u64:
      return "UINT64";
    case ElementType::i8:
      return "INT8";
    case ElementType::i16:
      return "INT16";
    case ElementType::i32:
      return "INT32";
    case ElementType::i64:
      return "INT64";
    case ElementType::f16:
      return "FP16";
    case ElementType::f32:
      return "FP32";
    case ElementType::f64:
      return "FP64";
    case ElementType::bf16:
      return "BF16";
    case ElementType::string:
      return "BYTES";
    default:
      return {};
  }
}

std::string config_type_name(ElementType type) {
  std::string out = "TYPE_";
  out += type == ElementType::string ? "STRING" : datatype_name(type);
  return out;
}

std::string shape_text(const std::optional<std::vector<int64_t>>& shape) {
  return shape ? extents_text(std::span<const int64_t>(*shape)) : "any shape";
}

std::string extents_text(std::span<const int64_t> extents) {
  std::string out = "[";
  for (size_t i = 0; i < extents.size(); ++i) {
    if (i != 0) out += ',';
    out += std::to_string(extents[i]);
  }
  return out + "]";
}

}  // namespace slipway::serve

#include "base/element_type.hpp"

#include <array>

namespace slipway {
namespace {

struct Row {
  int bits;
  std::string_view name;
  std::string_view onnx;
};

constexpr std::array<Row, kElementTypeCount> kRows = {{
    {0, "undefined", "UNDEFINED"},
    {32, "f32", "FLOAT"},
    {8, "u8", "UINT8"},
    {8, "i8", "INT8"},
    {16, "u16", "UINT16"},
    {16, "i16", "INT16"},
    {32, "i32", "INT32"},
    {64, "i64", "INT64"},
    {0, "string", "STRING"},
    {8, "bool", "BOOL"},
    {16, "f16", "FLOAT16"},
    {64, "f64", "DOUBLE"},
    {32, "u32", "UINT32"},
    {64, "u64", "UINT64"},
    {64, "c64", "COMPLEX64"},
    {128, "c128", "COMPLEX128"},
    {16, "bf16", "BFLOAT16"},
    {8, "f8e4m3fn", "FLOAT8E4M3FN"},
    {8, "f8e4m3fnuz", "FLOAT8E4M3FNUZ"},
    {8, "f8e5m2", "FLOAT8E5M2"},
    {8, "f8e5m2fnuz", "FLOAT8E5M2FNUZ"},
    {4, "u4", "UINT4"},
    {4, "i4", "INT4"},
    {4, "f4e2m1", "FLOAT4E2M1"},
    {8, "f8e8m0", "FLOAT8E8M0"},
    {2, "u2", "UINT2"},
    {2, "i2", "INT2"},
}};

const Row& row(ElementType t) {
  const auto index = static_cast<size_t>(t);
  return kRows[index < kRows.size() ? index : 0];
}

}  // namespace

int bits(ElementType t) {
  return row(t).bits;
}

size_t byte_size(ElementType t, int64_t count) {
  return (static_cast<size_t>(count) * static_cast<size_t>(row(t).bits) + 7) / 8;
}

std::string_view name(ElementType t) {
  return row(t).name;
}
std::string_view onnx_name(ElementType t) {
  return row(t).onnx;
}

std::optional<ElementType> parse_element_type(std::string_view short_name) {
  for (size_t i = 1; i < kRows.size(); ++i) {
    if (kRows[i].name == short_name) return static_cast<ElementType>(i);
  }
  return std::nullopt;
}

}  // namespace slipway

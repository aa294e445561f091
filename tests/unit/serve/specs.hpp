// Model specifications and bytes for tests of the codec.
#pragma once

#include <cstring>
#include <span>
#include <string>

#include "serve/codec/infer.hpp"

namespace slipway::serve {

/// One input "x" and one output "y" of the same type and shape.
inline ModelSpec echo(ElementType type, std::optional<std::vector<int64_t>> shape = std::vector<int64_t>{-1}) {
  return {"m", "1", {{"x", type, shape}}, {{"y", type, shape}}};
}

/// Inputs "a" f32[-1,2] and "b" i64[1]; outputs "s" f32[-1,2] and "t" BYTES of any shape.
inline ModelSpec mixed() {
  const std::vector<int64_t> rows = {-1, 2};
  return {"mix",
          "3",
          {{"a", ElementType::f32, rows}, {"b", ElementType::i64, std::vector<int64_t>{1}}},
          {{"s", ElementType::f32, rows}, {"t", ElementType::string, std::nullopt}}};
}

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string out(values.size() * sizeof(T), '\0');
  std::memcpy(out.data(), values.begin(), out.size());
  return out;
}

template <class T>
std::vector<T> values_of(const ir::Value& value) {
  const Tensor& tensor = *value.tensor();
  return std::vector<T>(tensor.as<T>(), tensor.as<T>() + tensor.count());
}

/// A BYTES element as the binary extension spells it.
inline std::string counted(std::string_view text) {
  return bytes_of({static_cast<uint32_t>(text.size())}) + std::string(text);
}

inline Tensor strings(const Dims& dims, std::initializer_list<const char*> texts) {
  Tensor out(ElementType::string, dims);
  size_t i = 0;
  for (const char* text : texts) out.as<std::string>()[i++] = text;
  return out;
}

}  // namespace slipway::serve

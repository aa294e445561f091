#include "cli/difference.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/format.hpp"
#include "base/low_precision.hpp"

namespace slipway::cli {
namespace {

std::string index_text(const Dims& dims, int64_t flat) {
  std::string out;
  for (int axis = dims.rank() - 1; axis >= 0; --axis) {
    out = std::to_string(flat % dims[axis]) + (out.empty() ? "" : "," + out);
    flat /= dims[axis];
  }
  return "[" + out + "]";
}

bool near(double got, double want, const Allowed& allowed) {
  if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want);
  if (std::isinf(got) || std::isinf(want)) return got == want;
  return std::abs(got - want) <= allowed.atol + allowed.rtol * std::abs(want);
}

std::string tensor_difference(const Tensor& got, const Tensor& want, Allowed allowed) {
  if (got.type() != want.type()) return fmt::format("type is {}, expected {}", name(got.type()), name(want.type()));
  if (!(got.dims() == want.dims())) return fmt::format("shape is {}, expected {}", to_string(got.dims()), to_string(want.dims()));
  const auto different = [&](int64_t i, const std::string& a, const std::string& b) {
    return fmt::format("element {} is {}, expected {}", index_text(got.dims(), i), a, b);
  };
  if (got.type() == ElementType::string) {
    for (int64_t i = 0; i < got.count(); ++i) {
      const std::string &a = got.as<std::string>()[i], &b = want.as<std::string>()[i];
      if (a != b) return different(i, '"' + a + '"', '"' + b + '"');
    }
    return {};
  }
  if (contains(type_sets::kComplex, got.type())) {
    const ElementType part = got.type() == ElementType::c64 ? ElementType::f32 : ElementType::f64;
    for (int64_t i = 0; i < 2 * got.count(); ++i) {
      const double a = load_double(got.data(), part, i), b = load_double(want.data(), part, i);
      if (!near(a, b, allowed))
        return different(i / 2, fmt::format("{} ({} part)", a, i % 2 ? "imaginary" : "real"), fmt::format("{}", b));
    }
    return {};
  }
  if (!is_float(got.type())) {
    for (int64_t i = 0; i < got.count(); ++i) {
      const int64_t a = load_int64(got.data(), got.type(), i), b = load_int64(want.data(), want.type(), i);
      if (a != b) return different(i, std::to_string(a), std::to_string(b));
    }
    return {};
  }
  if (got.type() == ElementType::bf16) allowed.rtol = std::max(allowed.rtol, std::ldexp(1.0, -6));
  for (int64_t i = 0; i < got.count(); ++i) {
    const double a = load_double(got.data(), got.type(), i), b = load_double(want.data(), want.type(), i);
    if (!near(a, b, allowed)) return different(i, fmt::format("{:.9g}", a), fmt::format("{:.9g}", b));
  }
  return {};
}

}  // namespace

std::string first_difference(const ir::Value& got, const ir::Value& want, const Allowed& allowed) {
  if (got.held.index() != want.held.index()) return "another kind of value than expected (tensor, sequence, map or nothing)";
  if (const Tensor* t = got.tensor()) return tensor_difference(*t, *want.tensor(), allowed);
  if (const auto* list = got.sequence()) {
    const auto& other = *want.sequence();
    if (list->size() != other.size()) return fmt::format("sequence of {}, expected {}", list->size(), other.size());
    for (size_t i = 0; i < list->size(); ++i) {
      const std::string difference = first_difference((*list)[i], other[i], allowed);
      if (!difference.empty()) return fmt::format("sequence item {}: {}", i, difference);
    }
  }
  if (const ir::Map* map = got.map()) {
    const std::string keys = tensor_difference(map->keys, want.map()->keys, allowed);
    return !keys.empty() ? "map keys: " + keys : tensor_difference(map->values, want.map()->values, allowed);
  }
  return {};
}

double scaled_error(const Tensor& got, const Tensor& want) {
  constexpr double kWorst = std::numeric_limits<double>::infinity();
  if (got.type() != want.type() || !(got.dims() == want.dims())) return kWorst;
  if (got.type() == ElementType::string || contains(type_sets::kComplex, got.type())) return got.same_bytes(want) ? 0 : kWorst;
  double most = 0, scale = 0;
  for (int64_t i = 0; i < got.count(); ++i) {
    const double a = load_double(got.data(), got.type(), i), b = load_double(want.data(), want.type(), i);
    if (std::isfinite(b)) scale = std::max(scale, std::abs(b));
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    if (!std::isfinite(a) || !std::isfinite(b)) return kWorst;
    most = std::max(most, std::abs(a - b));
  }
  return most == 0 ? 0 : most / (scale == 0 ? 1 : scale);
}

}  // namespace slipway::cli

#include "ops/reference.hpp"

#include <cmath>
#include <cstring>
#include <limits>

#include "base/low_precision.hpp"

namespace slipway::ops {

Tensor RefContext::out(size_t i, ElementType type, const Dims& dims) {
  Tensor* bound = outputs_[i].tensor();
  if (bound == nullptr || bound->type() != type || !(bound->dims() == dims)) outputs_[i] = Value(Tensor(type, dims));
  return *outputs_[i].tensor();
}

void RefContext::set(size_t i, Value value) {
  if (i >= outputs_.size()) return;
  Tensor* bound = outputs_[i].tensor();
  const Tensor* given = value.tensor();
  if (bound != nullptr && given != nullptr && bound->type() == given->type() && bound->dims() == given->dims() &&
      given->type() != ElementType::string) {
    if (bound->data() != given->data() && given->bytes() != 0) std::memmove(bound->data(), given->data(), given->bytes());
    return;
  }
  outputs_[i] = std::move(value);
}

std::vector<double> RefContext::doubles(size_t i) const {
  return to_doubles(in(i).view());
}

void RefContext::set_doubles(size_t i, ElementType type, const Dims& dims, std::span<const double> values) {
  if (!wants(i)) return;
  Tensor t = out(i, type, dims);
  from_doubles(values, t.view());
}

Result<std::vector<Value>> RefContext::call(const ir::Graph& graph, std::vector<Value> arguments) const {
  for (size_t i = node_.declared_inputs(); i < inputs_.size(); ++i) arguments.push_back(inputs_[i] ? *inputs_[i] : Value());
  return runner_(graph, arguments);
}

void copy_element(Tensor& to, int64_t to_index, const Tensor& from, int64_t from_index) {
  if (from.type() == ElementType::string) {
    to.as<std::string>()[to_index] = from.as<std::string>()[from_index];
    return;
  }
  const int width = bits(from.type());
  if (width >= 8) {
    const auto bytes = static_cast<size_t>(width / 8);
    std::memcpy(to.as<std::byte>() + static_cast<size_t>(to_index) * bytes,
                from.as<std::byte>() + static_cast<size_t>(from_index) * bytes, bytes);
    return;
  }
  const int64_t per_byte = 8 / width;
  const unsigned mask = (1u << width) - 1;
  const auto from_shift = static_cast<unsigned>((from_index % per_byte) * width);
  const auto to_shift = static_cast<unsigned>((to_index % per_byte) * width);
  const unsigned bits_in = (from.as<uint8_t>()[from_index / per_byte] >> from_shift) & mask;
  uint8_t& slot = to.as<uint8_t>()[to_index / per_byte];
  slot = static_cast<uint8_t>((slot & ~(mask << to_shift)) | (bits_in << to_shift));
}

template <>
double load<double>(const Tensor& t, int64_t index) {
  return load_double(t.data(), t.type(), index);
}
template <>
int64_t load<int64_t>(const Tensor& t, int64_t index) {
  return load_int64(t.data(), t.type(), index);
}
template <>
uint64_t load<uint64_t>(const Tensor& t, int64_t index) {
  return static_cast<uint64_t>(load_int64(t.data(), t.type(), index));
}
template <>
void store<double>(Tensor& t, int64_t index, double value) {
  store_double(t.data(), t.type(), index, value);
}
template <>
void store<int64_t>(Tensor& t, int64_t index, int64_t value) {
  store_int64(t.data(), t.type(), index, value);
}
template <>
void store<uint64_t>(Tensor& t, int64_t index, uint64_t value) {
  store_int64(t.data(), t.type(), index, static_cast<int64_t>(value));
}

Result<Dims> broadcast(const Dims& a, const Dims& b) {
  const int rank = std::max(a.rank(), b.rank());
  Dims out = Dims::of_rank(rank);
  for (int i = 0; i < rank; ++i) {
    const int ia = i - (rank - a.rank()), ib = i - (rank - b.rank());
    const int64_t x = ia < 0 ? 1 : a[ia], y = ib < 0 ? 1 : b[ib];
    if (x != y && x != 1 && y != 1) {
      return fail(ErrorCode::invalid_model, "shapes {} and {} do not broadcast: extents {} and {} differ and neither is 1",
                  to_string(a), to_string(b), x, y);
    }
    out[i] = x == 1 ? y : x;
  }
  return out;
}

Result<Shape> broadcast(const Shape& a, const Shape& b) {
  const size_t rank = std::max(a.size(), b.size());
  Shape out(rank);
  for (size_t i = 0; i < rank; ++i) {
    const Dim x = i + a.size() < rank ? Dim(1) : a[i + a.size() - rank];
    const Dim y = i + b.size() < rank ? Dim(1) : b[i + b.size() - rank];
    if (x == Dim(1) || x.same(y)) {
      out[i] = y;
    } else if (y == Dim(1)) {
      out[i] = x;
    } else if (x.known() && y.known()) {
      return fail(ErrorCode::invalid_model, "shapes {} and {} do not broadcast: extents {} and {} differ and neither is 1",
                  to_string(Fact::tensor(ElementType::undefined, a)), to_string(Fact::tensor(ElementType::undefined, b)),
                  x.value(), y.value());
    } else {
      out[i] = x.known() ? x : y.known() ? y : Dim::unknown();  // a known extent above 1 wins: the other is equal or 1
    }
  }
  return out;
}

Dims broadcast_strides(const Dims& from, const Dims& to) {
  const Dims own = from.strides();
  Dims out = Dims::of_rank(to.rank(), 0);
  for (int i = 0; i < from.rank(); ++i) out[i + to.rank() - from.rank()] = from[i] == 1 ? 0 : own[i];
  return out;
}

Result<int> normalize_axis(int64_t axis, int rank) {
  if (axis < -rank || axis >= rank) {
    return fail(ErrorCode::invalid_model, "axis {} is outside [-{}, {}) of a tensor of rank {}", axis, rank, rank, rank);
  }
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

}  // namespace slipway::ops

// Linear operators on complex tensors: the real and the imaginary parts go the same way.
#pragma once

#include <array>

#include "ops/reference.hpp"

namespace slipway::ops {

/// The real (0) or imaginary (1) parts.
inline Tensor part_of(const Tensor& x, int64_t part) {
  const bool wide = x.type() == ElementType::c128;
  Tensor y(wide ? ElementType::f64 : ElementType::f32, x.dims());
  for (int64_t i = 0; i < x.count(); ++i) {
    if (wide) {
      y.as<double>()[i] = x.as<double>()[2 * i + part];
    } else {
      y.as<float>()[i] = x.as<float>()[2 * i + part];
    }
  }
  return y;
}

/// Runs `linear(context, part)` on both parts of input 0 and puts output 0 together. Precondition: input 0 is complex.
template <class F>
Status by_parts(RefContext& c, F&& linear) {
  std::array<Tensor, 2> parts;
  for (int64_t part = 0; part < 2; ++part) {
    const Value x = part_of(c.in(0), part);
    std::vector<const Value*> inputs;
    for (size_t i = 0; i < c.input_count(); ++i) inputs.push_back(i == 0 ? &x : c.has(i) ? &c.value(i) : nullptr);
    std::vector<Value> outputs(c.output_count());
    RefContext inner(c.node(), inputs, outputs, c.runner());
    TRY(linear(inner, part));
    parts[static_cast<size_t>(part)] = *outputs[0].tensor();
  }
  const bool wide = c.in(0).type() == ElementType::c128;
  Tensor y = c.out(0, c.in(0).type(), parts[0].dims());
  for (int64_t i = 0; i < y.count(); ++i) {
    for (int64_t part = 0; part < 2; ++part) {
      const Tensor& from = parts[static_cast<size_t>(part)];
      if (wide) {
        y.as<double>()[2 * i + part] = from.as<double>()[i];
      } else {
        y.as<float>()[2 * i + part] = from.as<float>()[i];
      }
    }
  }
  return {};
}

}  // namespace slipway::ops

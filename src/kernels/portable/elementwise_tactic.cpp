// Elementwise operators beside the jitted fp32 ones, plain with any broadcasting: integer arithmetic (wrapping), comparisons,
// logic, Where and Cast.
#include <cmath>
#include <limits>
#include <type_traits>

#include "base/format.hpp"
#include "kernels/portable/broadcast_loop.hpp"
#include "kernels/registry.hpp"

namespace slipway::kernels {
namespace {

using tactic::Exec;
using tactic::Fault;
using Inner = BroadcastLoop::Inner;
using Pointers = BroadcastLoop::Pointers;
using Steps = BroadcastLoop::Steps;

/// A bool's byte; anything but 0 is true.
struct Flag {
  uint8_t byte;
};

template <class In, class Out, class F>
void binary(std::byte* out, const Pointers& operands, const Steps& steps, int64_t count) {
  const auto *a = reinterpret_cast<const In*>(operands[0]), *b = reinterpret_cast<const In*>(operands[1]);
  auto* y = reinterpret_cast<Out*>(out);
  if (steps[0] == 1 && steps[1] == 1) {
    for (int64_t i = 0; i < count; ++i) y[i] = F::of(a[i], b[i]);
  } else if (steps[0] == 1) {
    for (int64_t i = 0; i < count; ++i) y[i] = F::of(a[i], *b);
  } else {
    for (int64_t i = 0; i < count; ++i) y[i] = F::of(a[i * steps[0]], b[i * steps[1]]);
  }
}

template <class T>
using Unsigned = std::make_unsigned_t<T>;

struct Add {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
  }
};
struct Sub {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
  }
};
struct Mul {
  template <class T>
  static T of(T a, T b) {
    return static_cast<T>(static_cast<Unsigned<T>>(a) * static_cast<Unsigned<T>>(b));
  }
};
struct Equal {
  template <class T>
  static uint8_t of(T a, T b) {
    return a == b ? 1 : 0;
  }
  static uint8_t of(Flag a, Flag b) { return (a.byte != 0) == (b.byte != 0) ? 1 : 0; }
};
struct Less {
  template <class T>
  static uint8_t of(T a, T b) {
    return a < b ? 1 : 0;
  }
};
struct LessOrEqual {
  template <class T>
  static uint8_t of(T a, T b) {
    return a <= b ? 1 : 0;
  }
};
struct Greater {
  template <class T>
  static uint8_t of(T a, T b) {
    return a > b ? 1 : 0;
  }
};
struct GreaterOrEqual {
  template <class T>
  static uint8_t of(T a, T b) {
    return a >= b ? 1 : 0;
  }
};
struct And {
  static uint8_t of(Flag a, Flag b) { return a.byte != 0 && b.byte != 0 ? 1 : 0; }
};
struct Or {
  static uint8_t of(Flag a, Flag b) { return a.byte != 0 || b.byte != 0 ? 1 : 0; }
};
struct Xor {
  static uint8_t of(Flag a, Flag b) { return (a.byte != 0) != (b.byte != 0) ? 1 : 0; }
};

template <class F>
Inner arithmetic(ElementType type) {
  if (type == ElementType::i32) return binary<int32_t, int32_t, F>;
  if (type == ElementType::i64) return binary<int64_t, int64_t, F>;
  return nullptr;
}

template <class F>
Inner comparison(ElementType type) {
  if (type == ElementType::f32) return binary<float, uint8_t, F>;
  if (type == ElementType::i32) return binary<int32_t, uint8_t, F>;
  if (type == ElementType::i64) return binary<int64_t, uint8_t, F>;
  return nullptr;
}

void negate(std::byte* out, const Pointers& operands, const Steps& steps, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = operands[0][i * steps[0]] == std::byte{0} ? std::byte{1} : std::byte{0};
}

template <class T>
void where(std::byte* out, const Pointers& operands, const Steps& steps, int64_t count) {
  const auto *a = reinterpret_cast<const T*>(operands[1]), *b = reinterpret_cast<const T*>(operands[2]);
  auto* y = reinterpret_cast<T*>(out);
  for (int64_t i = 0; i < count; ++i) y[i] = operands[0][i * steps[0]] != std::byte{0} ? a[i * steps[1]] : b[i * steps[2]];
}

Inner where_of(ElementType type) {
  if (type == ElementType::string) return nullptr;
  switch (bits(type)) {
    case 8:
      return where<uint8_t>;
    case 16:
      return where<uint16_t>;
    case 32:
      return where<uint32_t>;
    case 64:
      return where<uint64_t>;
    default:
      return nullptr;
  }
}

/// Floats to integers: the fraction is cut, out of range saturates, NaN gives 0. Integers wrap.
template <class To, class From>
To converted(From v) {
  if constexpr (std::is_same_v<From, Flag>) {
    return converted<To>(static_cast<uint8_t>(v.byte != 0 ? 1 : 0));
  } else if constexpr (std::is_same_v<To, Flag>) {
    return {static_cast<uint8_t>(v != 0 ? 1 : 0)};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    using Limits = std::numeric_limits<To>;
    const auto d = static_cast<double>(v);
    if (!(d == d)) return 0;
    if (d <= static_cast<double>(Limits::min())) return Limits::min();
    return d >= std::ldexp(1.0, Limits::digits) ? Limits::max() : static_cast<To>(d);
  } else {
    return static_cast<To>(v);
  }
}

template <class To, class From>
void cast(std::byte* out, const Pointers& operands, const Steps& steps, int64_t count) {
  const auto* x = reinterpret_cast<const From*>(operands[0]);
  auto* y = reinterpret_cast<To*>(out);
  for (int64_t i = 0; i < count; ++i) y[i] = converted<To>(x[i * steps[0]]);
}

template <class From>
Inner cast_to(ElementType to) {
  switch (to) {
    case ElementType::f32:
      return cast<float, From>;
    case ElementType::f64:
      return cast<double, From>;
    case ElementType::i32:
      return cast<int32_t, From>;
    case ElementType::i64:
      return cast<int64_t, From>;
    case ElementType::u8:
      return cast<uint8_t, From>;
    case ElementType::i8:
      return cast<int8_t, From>;
    case ElementType::boolean:
      return cast<Flag, From>;
    default:
      return nullptr;
  }
}

Inner cast_of(ElementType from, ElementType to) {
  switch (from) {
    case ElementType::f32:
      return cast_to<float>(to);
    case ElementType::f64:
      return cast_to<double>(to);
    case ElementType::i32:
      return cast_to<int32_t>(to);
    case ElementType::i64:
      return cast_to<int64_t>(to);
    case ElementType::u8:
      return cast_to<uint8_t>(to);
    case ElementType::i8:
      return cast_to<int8_t>(to);
    case ElementType::boolean:
      return cast_to<Flag>(to);
    default:
      return nullptr;
  }
}

Inner loop_of(const tactic::Query& query) {
  const ElementType type = query.inputs[0].type;
  const bool flags = type == ElementType::boolean;
  if (query.is("Cast")) return cast_of(type, query.outputs[0].type);
  if (query.is("Where")) return where_of(query.outputs[0].type);
  if (query.is("Not")) return negate;
  if (query.is("And")) return binary<Flag, uint8_t, And>;
  if (query.is("Or")) return binary<Flag, uint8_t, Or>;
  if (query.is("Xor")) return binary<Flag, uint8_t, Xor>;
  if (query.is("Equal")) return flags ? binary<Flag, uint8_t, Equal> : comparison<Equal>(type);
  if (query.is("Less")) return comparison<Less>(type);
  if (query.is("LessOrEqual")) return comparison<LessOrEqual>(type);
  if (query.is("Greater")) return comparison<Greater>(type);
  if (query.is("GreaterOrEqual")) return comparison<GreaterOrEqual>(type);
  if (query.is("Add")) return arithmetic<Add>(type);
  if (query.is("Sub")) return arithmetic<Sub>(type);
  return query.is("Mul") ? arithmetic<Mul>(type) : nullptr;
}

class ElementwiseKernel final : public tactic::Kernel {
 public:
  ElementwiseKernel(Inner inner, BroadcastLoop loop, size_t operands)
      : inner_(inner), loop_(std::move(loop)), operands_(operands) {}

  Fault run(const Exec& exec) const noexcept override {
    Pointers operands{};
    for (size_t i = 0; i < operands_; ++i) operands[i] = static_cast<const std::byte*>(exec.inputs[i]);
    auto task = [&](int thread, int threads) {
      loop_.run(inner_, operands, static_cast<std::byte*>(exec.outputs[0]), thread, threads);
    };
    exec.team.run(task);
    return Fault::none;
  }

 private:
  Inner inner_;
  BroadcastLoop loop_;
  size_t operands_;
};

tactic::Verdict judge(const tactic::Query& query) {
  if (query.inputs.size() > kMostLoopOperands || query.outputs[0].dims.count() == 0) return tactic::Verdict::no("empty");
  if (loop_of(query) == nullptr) return tactic::Verdict::no("no loop for these types");
  constexpr double kElementsPerUs = 1e3;
  const auto elements = static_cast<double>(query.outputs[0].dims.count());
  return tactic::Verdict::yes(0.3 + elements / kElementsPerUs / query.machine.threads, "loops");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext&) {
  std::vector<Dims> dims;
  std::vector<int> widths;
  for (const tactic::TensorDesc& d : query.inputs) {
    dims.push_back(d.dims);
    widths.push_back(bits(d.type) / 8);
  }
  const tactic::TensorDesc& out = query.outputs[0];
  BroadcastLoop loop(out.dims, bits(out.type) / 8, dims, widths);
  return std::unique_ptr<tactic::Kernel>(std::make_unique<ElementwiseKernel>(loop_of(query), std::move(loop), dims.size()));
}

}  // namespace

tactic::TacticList elementwise_tactic() {
  return {{"portable.elementwise",
           Isa::portable,
           {"Cast", "Where", "Not", "And", "Or", "Xor", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Add", "Sub",
            "Mul"},
           judge,
           build}};
}

}  // namespace slipway::kernels

// Fact: what is known of a value before it exists: kind, element type, symbolic shape. Nothing of a machine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/dims.hpp"
#include "base/element_type.hpp"

namespace slipway::ir {

/// An extent: known (>= 0), unknown (-1), or a named symbol (<= -2, an index into the Graph's symbols).
class Dim {
 public:
  constexpr Dim() = default;
  constexpr Dim(int64_t extent) : v_(extent) {}
  static constexpr Dim unknown() { return Dim(-1); }
  static constexpr Dim symbol(int index) { return Dim(-2 - static_cast<int64_t>(index)); }

  constexpr bool known() const { return v_ >= 0; }
  constexpr bool is_symbol() const { return v_ <= -2; }
  constexpr int symbol_index() const { return static_cast<int>(-2 - v_); }
  constexpr int64_t value() const { return v_; }
  /// Surely equal: the same known extent or the same symbol.
  constexpr bool same(Dim o) const { return v_ == o.v_ && v_ != -1; }
  constexpr bool operator==(const Dim&) const = default;

  /// Arithmetic gives unknown as soon as one side is not known, and where the result is negative or does not fit;
  /// x*1, x+0, x-0, x/1 keep a symbol.
  friend Dim operator+(Dim a, Dim b) {
    if (a.v_ == 0 || b.v_ == 0) return b.v_ == 0 ? a : b;
    int64_t sum = 0;
    return both(a, b) && !__builtin_add_overflow(a.v_, b.v_, &sum) ? Dim(sum) : unknown();
  }
  friend Dim operator-(Dim a, Dim b) { return b.v_ == 0 ? a : both(a, b) && a.v_ >= b.v_ ? Dim(a.v_ - b.v_) : unknown(); }
  friend Dim operator*(Dim a, Dim b) {
    if (a.v_ == 0 || b.v_ == 0) return 0;
    if (a.v_ == 1 || b.v_ == 1) return b.v_ == 1 ? a : b;
    int64_t product = 0;
    return both(a, b) && !__builtin_mul_overflow(a.v_, b.v_, &product) ? Dim(product) : unknown();
  }
  friend Dim operator/(Dim a, Dim b) { return b.v_ == 1 ? a : both(a, b) && b.v_ != 0 ? Dim(a.v_ / b.v_) : unknown(); }

 private:
  static bool both(Dim a, Dim b) { return a.known() && b.known(); }
  int64_t v_ = -1;
};

/// Rank known; each extent may be known, symbolic or unknown.
using Shape = std::vector<Dim>;

struct Fact {
  enum class Kind : uint8_t { unknown, tensor, sequence, map };

  Kind kind = Kind::unknown;
  bool optional = false;                      ///< may hold nothing (ONNX optional)
  ElementType type = ElementType::undefined;  ///< tensor element, or map key
  std::optional<Shape> shape;                 ///< nullopt: rank unknown (tensor only)
  std::shared_ptr<const Fact> element;        ///< of a sequence, or value of a map

  static Fact tensor(ElementType type, std::optional<Shape> shape = std::nullopt) {
    Fact f;
    f.kind = Kind::tensor;
    f.type = type;
    f.shape = std::move(shape);
    return f;
  }
  static Fact tensor(ElementType type, const Dims& dims) { return tensor(type, Shape(dims.begin(), dims.end())); }
  static Fact sequence(Fact element) {
    Fact f;
    f.kind = Kind::sequence;
    f.element = std::make_shared<const Fact>(std::move(element));
    return f;
  }
  static Fact map(ElementType key, Fact value) {
    Fact f;
    f.kind = Kind::map;
    f.type = key;
    f.element = std::make_shared<const Fact>(std::move(value));
    return f;
  }

  bool is_tensor() const { return kind == Kind::tensor; }
  /// A tensor of known type (not string) whose every extent is known: it can live in an arena.
  bool is_static() const;
  /// The extents. Precondition: shape has a value and every extent is known.
  Dims dims() const;
};

/// True when a value of fact `narrow` may stand where `wide` is declared: no contradiction in kind, type, rank or extent.
bool compatible(const Fact& wide, const Fact& narrow);
/// The facts together, taking what is known from each side. Precondition: compatible.
Fact merge(const Fact& a, const Fact& b);
/// "f32[1,3,?,s0]", "seq(f32[...])"; symbols printed by `symbols` when given.
std::string to_string(const Fact& fact, const std::vector<std::string>* symbols = nullptr);

}  // namespace slipway::ir

#include "ir/fact.hpp"

#include "ir/lexical.hpp"

namespace slipway::ir {

bool Fact::is_static() const {
  if (kind != Kind::tensor || optional || !shape || type == ElementType::undefined || type == ElementType::string) return false;
  for (Dim d : *shape) {
    if (!d.known()) return false;
  }
  return true;
}

Dims Fact::dims() const {
  Dims out = Dims::of_rank(static_cast<int>(shape->size()));
  for (int i = 0; i < out.rank(); ++i) out[i] = (*shape)[static_cast<size_t>(i)].value();
  return out;
}

bool compatible(const Fact& wide, const Fact& narrow) {
  if (wide.kind == Fact::Kind::unknown || narrow.kind == Fact::Kind::unknown) return true;
  if (wide.kind != narrow.kind) return false;
  if (wide.type != narrow.type && wide.type != ElementType::undefined && narrow.type != ElementType::undefined) return false;
  if (wide.element && narrow.element && !compatible(*wide.element, *narrow.element)) return false;
  if (!wide.shape || !narrow.shape) return true;
  if (wide.shape->size() != narrow.shape->size()) return false;
  for (size_t i = 0; i < wide.shape->size(); ++i) {
    const Dim a = (*wide.shape)[i], b = (*narrow.shape)[i];
    if (a.known() && b.known() && a != b) return false;
  }
  return true;
}

Fact merge(const Fact& a, const Fact& b) {
  if (a.kind == Fact::Kind::unknown) return b;
  if (b.kind == Fact::Kind::unknown) return a;
  Fact out = a;
  if (out.type == ElementType::undefined) out.type = b.type;
  if (a.element && b.element) out.element = std::make_shared<const Fact>(merge(*a.element, *b.element));
  if (!out.element) out.element = b.element;
  if (!out.shape) {
    out.shape = b.shape;
  } else if (b.shape) {
    for (size_t i = 0; i < out.shape->size(); ++i) {
      Dim& d = (*out.shape)[i];
      const Dim other = (*b.shape)[i];
      if (other.known() || (!d.known() && !d.is_symbol())) d = other;
    }
  }
  return out;
}

std::string to_string(const Fact& fact, const std::vector<std::string>* symbols) {
  if (fact.optional) {
    Fact held = fact;
    held.optional = false;
    return "optional(" + to_string(held, symbols) + ")";
  }
  switch (fact.kind) {
    case Fact::Kind::unknown:
      return "?";
    case Fact::Kind::sequence:
      return "seq(" + to_string(*fact.element, symbols) + ")";
    case Fact::Kind::map:
      return "map(" + std::string(name(fact.type)) + "," + to_string(*fact.element, symbols) + ")";
    case Fact::Kind::tensor:
      break;
  }
  std::string out(name(fact.type));
  if (!fact.shape) return out + "[...]";
  out += '[';
  for (size_t i = 0; i < fact.shape->size(); ++i) {
    const Dim d = (*fact.shape)[i];
    if (i != 0) out += ',';
    if (d.known()) {
      out += std::to_string(d.value());
    } else if (d.is_symbol()) {
      const auto s = static_cast<size_t>(d.symbol_index());
      out += symbols != nullptr && s < symbols->size() ? identifier_or_quoted((*symbols)[s]) : "s" + std::to_string(s);
    } else {
      out += '?';
    }
  }
  return out + ']';
}

}  // namespace slipway::ir

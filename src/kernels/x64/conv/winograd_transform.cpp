#include "kernels/x64/conv/winograd_transform.hpp"

#include <cstddef>
#include <vector>

#include "base/format.hpp"
#include "kernels/x64/eltwise/emit.hpp"
#include "kernels/x64/jit/shared.hpp"

namespace slipway::conv {
namespace {

using eltwise::Spread;
using jit::Cond;
using jit::Gpr;
using jit::Operand;
using jit::Program;
using jit::Vec;

struct Term {
  double factor;
  Vec value;
};

/// The sum of the terms; factors of one (some are) come first and cost no multiplication.
Vec emit_sum(Program& p, const std::vector<Term>& terms) {
  Vec sum, first;
  for (const Term& t : terms) {
    if (t.factor == 1 && first.id < 0) {
      first = t.value;
    } else if (t.factor == 1) {
      sum = p.add(sum.id < 0 ? first : sum, t.value);
    }
  }
  for (const Term& t : terms) {
    if (t.factor == -1 && first.id >= 0) sum = p.sub(sum.id < 0 ? first : sum, t.value);
  }
  for (const Term& t : terms) {
    if (t.factor == 1 || (t.factor == -1 && first.id >= 0)) continue;
    if (sum.id < 0 && first.id < 0) {
      sum = p.mul(t.value, Operand(static_cast<float>(t.factor)));
      continue;
    }
    if (sum.id < 0) sum = p.copy(first);
    p.fmadd231(sum, t.value, Operand(static_cast<float>(t.factor)));
  }
  return sum.id < 0 ? first : sum;
}

std::vector<Term> row_terms(const Matrix& m, int row, const std::vector<Vec>& x) {
  std::vector<Term> terms;
  for (int c = 0; c < m.columns; ++c) {
    if (m.at(row, c) != 0) terms.push_back({m.at(row, c), x[static_cast<size_t>(c)]});
  }
  return terms;
}

/// m * x where rows come in pairs: store(row, vector) for each.
template <class Store>
void emit_row_pairs(Program& p, const Matrix& m, const std::vector<Vec>& x, Store store) {
  store(0, emit_sum(p, row_terms(m, 0, x)));
  for (int r = 1; r + 2 < m.rows; r += 2) {
    std::vector<Term> same, opposite;
    for (int c = 0; c < m.columns; ++c) {
      if (m.at(r, c) == 0) continue;
      (m.at(r, c) == m.at(r + 1, c) ? same : opposite).push_back({m.at(r, c), x[static_cast<size_t>(c)]});
    }
    const Vec a = emit_sum(p, same), b = emit_sum(p, opposite);
    store(r, p.add(a, b));
    store(r + 1, p.sub(a, b));
  }
  store(m.rows - 1, emit_sum(p, row_terms(m, m.rows - 1, x)));
}

/// m * x where columns come in pairs: store(row, vector) for each of the first `rows`.
template <class Store>
void emit_column_pairs(Program& p, const Matrix& m, const std::vector<Vec>& x, int rows, Store store) {
  std::vector<Vec> sums = {x.front()}, differences = {x.front()};
  for (size_t c = 1; c + 2 < x.size(); c += 2) {
    sums.push_back(p.add(x[c], x[c + 1]));
    differences.push_back(p.sub(x[c], x[c + 1]));
  }
  for (int r = 0; r < rows; ++r) {
    std::vector<Term> terms;
    if (m.at(r, 0) != 0) terms.push_back({m.at(r, 0), x.front()});
    for (int c = 1; c + 2 < m.columns; c += 2) {
      const auto pair = static_cast<size_t>((c + 1) / 2);
      if (m.at(r, c) != 0) terms.push_back({m.at(r, c), m.at(r, c) == m.at(r, c + 1) ? sums[pair] : differences[pair]});
    }
    if (m.at(r, m.columns - 1) != 0) terms.push_back({m.at(r, m.columns - 1), x.back()});
    store(r, emit_sum(p, terms));
  }
}

/// body() `count` times.
template <class Body>
void repeat(Program& p, Gpr count, Body body) {
  const jit::Label next = p.label();
  p.bind(next);
  body();
  p.sub(count, 1);
  p.jump_if(count, Cond::gt, 0, next);
}

constexpr int64_t kPixel = 16;  // elements

int64_t bytes_of(ElementType type) {
  return type == ElementType::bf16 ? 2 : 4;
}

Vec load(Program& p, jit::Mem from, ElementType type) {
  return type == ElementType::bf16 ? p.load_bf16(from) : p.load(from);
}

jit::Mem arg(const Program& p, size_t offset) {
  return jit::mem(p.args(), static_cast<int64_t>(offset));
}

Program input_program(Isa isa, const Winograd& winograd, ElementType type) {
  using Args = InputTransform::Args;
  Program p(isa, fmt::format("winograd f{} input", winograd.outputs));
  const Matrix m = winograd.input();
  const int size = winograd.size(), bytes = p.lanes() * 4;
  const Gpr from = p.load64(arg(p, offsetof(Args, from))), row = p.load64(arg(p, offsetof(Args, row_bytes)));
  const Gpr temporary = p.load64(arg(p, offsetof(Args, temporary)));
  std::vector<Vec> x(static_cast<size_t>(size));
  repeat(p, p.number(size), [&] {  // along each row
    for (int c = 0; c < size; ++c) x[static_cast<size_t>(c)] = load(p, jit::mem(from, c * kPixel * bytes_of(type)), type);
    emit_row_pairs(p, m, x, [&](int c, Vec v) { p.store(jit::mem(temporary, int64_t{c} * bytes), v); });
    p.add(from, row);
    p.add(temporary, int64_t{size} * bytes);
  });
  p.sub(temporary, int64_t{size} * size * bytes);
  const Gpr to = p.load64(arg(p, offsetof(Args, to))), position = p.load64(arg(p, offsetof(Args, position_bytes)));
  repeat(p, p.number(size), [&] {  // along each column
    for (int r = 0; r < size; ++r) x[static_cast<size_t>(r)] = p.load(jit::mem(temporary, int64_t{r} * size * bytes));
    emit_row_pairs(p, m, x, [&](int, Vec v) {
      p.store(jit::mem(to), v);
      p.add(to, position);
    });
    p.add(temporary, bytes);
  });
  return p;
}

/// The tail's operands in registers, and the rows of the full ones.
class TailCode {
 public:
  TailCode(Program& p, const OutputTransform::Spec& spec) : p_(p), spec_(spec), tail_(spec.tail) {
    const eltwise::EltwiseProgram& tail = spec.tail;
    if (tail.empty()) return;
    for (size_t i = 1; i < tail.operands.size(); ++i) {
      const size_t offset = offsetof(OutputTransform::Args, operands) + i * sizeof(const void*);
      const Gpr at = p.load64(arg(p, offset));
      at_.push_back(at);
      values_.push_back(tail.operands[i] == Spread::scalar ? scalar(jit::mem(at), type_of(i)) : Vec{});
    }
  }
  Vec apply(Vec sum, int column) {
    if (tail_.empty()) return sum;
    std::vector<Operand> values = {sum};
    for (size_t i = 0; i < at_.size(); ++i) {
      const bool full = tail_.operands[i + 1] == Spread::full;
      const jit::Mem from = jit::mem(at_[i], full ? column * kPixel * bytes_of(spec_.type) : 0);
      const bool scalar = tail_.operands[i + 1] == Spread::scalar, wide = type_of(i + 1) == ElementType::f32;
      values.push_back(scalar ? Operand(values_[i]) : wide ? Operand::memory(from) : Operand(p_.load_bf16(from)));
    }
    return eltwise::emit_steps(p_, tail_, values, p_.lanes());
  }
  void next_row(Gpr row_bytes) {
    for (size_t i = 0; i < at_.size(); ++i) {
      if (tail_.operands[i + 1] == Spread::full) p_.add(at_[i], row_bytes);
    }
  }

 private:
  ElementType type_of(size_t i) const { return i < spec_.operand_types.size() ? spec_.operand_types[i] : ElementType::f32; }
  Vec scalar(jit::Mem at, ElementType type) {
    return type == ElementType::bf16 ? p_.shl(p_.splat(p_.load16(at)), 16) : p_.broadcast(at);
  }

  Program& p_;
  const OutputTransform::Spec& spec_;
  const eltwise::EltwiseProgram& tail_;
  std::vector<Gpr> at_;
  std::vector<Vec> values_;
};

Program output_program(const OutputTransform::Spec& spec) {
  using Args = OutputTransform::Args;
  Program p(spec.isa, fmt::format("winograd f{} output", spec.winograd.outputs));
  const Matrix m = spec.winograd.output();
  const int size = spec.winograd.size(), bytes = p.lanes() * 4;
  const Gpr from = p.load64(arg(p, offsetof(Args, from))), position = p.load64(arg(p, offsetof(Args, position_bytes)));
  const Gpr temporary = p.load64(arg(p, offsetof(Args, temporary)));
  std::vector<Vec> x(static_cast<size_t>(size));
  repeat(p, p.number(size), [&] {  // along each column
    for (Vec& v : x) {
      v = p.load(jit::mem(from));
      p.add(from, position);
    }
    emit_column_pairs(p, m, x, m.rows, [&](int r, Vec v) { p.store(jit::mem(temporary, int64_t{r} * size * bytes), v); });
    p.add(temporary, bytes);
  });
  p.sub(temporary, int64_t{size} * bytes);
  const Gpr to = p.load64(arg(p, offsetof(Args, to))), row = p.load64(arg(p, offsetof(Args, row_bytes)));
  TailCode tail(p, spec);
  const bool narrow = spec.type == ElementType::bf16;
  repeat(p, p.load64(arg(p, offsetof(Args, rows))), [&] {  // along each row
    for (int c = 0; c < size; ++c) x[static_cast<size_t>(c)] = p.load(jit::mem(temporary, int64_t{c} * bytes));
    emit_column_pairs(p, m, x, spec.columns, [&](int c, Vec v) {
      const jit::Mem at = jit::mem(to, c * kPixel * bytes_of(spec.type));
      narrow ? p.store_bf16(at, tail.apply(v, c)) : p.store(at, tail.apply(v, c));
    });
    p.add(temporary, int64_t{size} * bytes);
    p.add(to, row);
    tail.next_row(row);
  });
  return p;
}

}  // namespace

Result<std::shared_ptr<const InputTransform>> InputTransform::make(Isa isa, const Winograd& winograd, ElementType type) {
  static jit::Shared<InputTransform> shared;
  const std::string text = fmt::format("{} f{} {}", name(isa), winograd.outputs, name(type));
  return shared.get(text, [&]() -> Result<std::shared_ptr<const InputTransform>> {
    auto made = std::make_shared<InputTransform>();
    const Program program = input_program(isa, winograd, type);
    made->element_bytes_ = bytes_of(type);
    made->lanes_ = program.lanes();
    made->code_ = TRY(jit::compile(program));
    return std::shared_ptr<const InputTransform>(std::move(made));
  });
}

void InputTransform::operator()(Args args) const noexcept {
  for (int done = 0; done < 16; done += lanes_) {
    code_(&args);
    args.from += lanes_ * element_bytes_;
    args.to += lanes_;
  }
}

Result<std::shared_ptr<const OutputTransform>> OutputTransform::make(const Spec& spec) {
  static jit::Shared<OutputTransform> shared;
  std::string text =
      fmt::format("{} f{} {} {} {}", name(spec.isa), spec.winograd.outputs, spec.columns, name(spec.type), spec.tail.text());
  for (const ElementType type : spec.operand_types) text += fmt::format(" {}", name(type));
  return shared.get(text, [&]() -> Result<std::shared_ptr<const OutputTransform>> {
    auto made = std::make_shared<OutputTransform>();
    const Program program = output_program(spec);
    made->element_bytes_ = bytes_of(spec.type);
    made->lanes_ = program.lanes();
    made->code_ = TRY(jit::compile(program));
    made->tail_ = spec.tail;
    return std::shared_ptr<const OutputTransform>(std::move(made));
  });
}

void OutputTransform::operator()(Args args) const noexcept {
  for (int done = 0; done < 16; done += lanes_) {
    code_(&args);
    args.from += lanes_;
    args.to += lanes_ * element_bytes_;
    for (size_t i = 1; i < tail_.operands.size(); ++i) {
      if (tail_.operands[i] == Spread::scalar) continue;
      const int64_t bytes = tail_.operands[i] == Spread::full ? element_bytes_ : 4;
      args.operands[i] = static_cast<const std::byte*>(args.operands[i]) + lanes_ * bytes;
    }
  }
}

}  // namespace slipway::conv

#include "kernels/x64/gemm/generate.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "kernels/x64/eltwise/emit.hpp"

namespace slipway::gemm {

namespace {

using eltwise::Spread;
using jit::Cond;
using jit::Gpr;
using jit::Mask;
using jit::Mem;
using jit::Operand;
using jit::Vec;

constexpr int kUnroll = 4;
/// A known k up to here is unrolled whole; short tiles of ymm feel the loop more.
constexpr int straight_steps(bool avx512) {
  return avx512 ? 8 : 16;
}
constexpr int kRowsPerBase = 5;

/// Multiples 0..4 of a run-time stride as address parts.
struct Ladder {
  Gpr one, three;

  static Ladder make(jit::Program& p, Gpr stride, int highest) {
    Ladder ladder{stride, {}};
    if (highest >= 3) ladder.three = p.address(jit::mem(stride, stride, 2));
    return ladder;
  }
  Mem step(Mem from, int times) const {
    switch (times) {
      case 0:
        return from;
      case 3:
        from.index = three;
        return from;
      default:
        from.index = one;
        from.scale = times;
        return from;
    }
  }
};

/// C or a full operand of the tail, walked row by row.
struct Cursor {
  Gpr at, stride;
  Ladder blocks;
};

class Generator {
 public:
  Generator(const MicrokernelSpec& spec, bool staged)
      : s_(spec), staged_(staged), p_(spec.isa, "gemm " + spec.text()), vectors_(vectors_of(spec.isa, spec.columns)) {}

  jit::Program run() {
    if (p_.avx512() && partial(vectors_ - 1)) tail_mask();  // before any branch: every path reads it
    make_sums();
    multiply();
    if (staged_) {
      stage_sums();
      run_tail_over_sums();
    } else {
      store_with_tail();
    }
    return std::move(p_);
  }

 private:
  static constexpr int64_t kC = offsetof(MicrokernelArgs, c);

  // The tile's vectors.

  int columns_of(int j) const { return std::min(p_.lanes(), s_.columns - j * p_.lanes()); }
  /// AVX-512 computes a narrow last vector in half the width.
  int lanes_of(int j) const { return p_.avx512() && columns_of(j) <= 8 ? 8 : p_.lanes(); }
  bool partial(int j) const { return columns_of(j) < lanes_of(j); }
  /// AVX2 makes it anew for each use, since there it takes a vector register.
  Mask tail_mask() {
    if (!tail_mask_ || !p_.avx512()) tail_mask_ = p_.mask_below(columns_of(vectors_ - 1), lanes_of(vectors_ - 1));
    return *tail_mask_;
  }
  jit::Program::Few few() { return {columns_of(vectors_ - 1), p_.avx512() ? tail_mask() : Mask{}}; }
  Vec load_words(Mem from, int j) {
    return partial(j) ? p_.load_words(from, few(), lanes_of(j)) : p_.load_words(from, lanes_of(j));
  }
  /// Vector j of fp32, whatever lies in memory.
  Vec load(Mem from, int j, ElementType type) {
    if (type == ElementType::bf16) return p_.shl(load_words(from, j), 16);
    return partial(j) ? p_.load(from, tail_mask()) : p_.load(from, lanes_of(j));
  }
  void store(Mem to, Vec value, int j) {
    if (s_.c_type == ElementType::bf16) {
      partial(j) ? p_.store_bf16(to, value, few()) : p_.store_bf16(to, value);
    } else {
      partial(j) ? p_.store(to, value, tail_mask()) : p_.store(to, value);
    }
  }
  /// One element in every lane.
  Vec broadcast(Mem from, ElementType type) {
    return type == ElementType::bf16 ? p_.shl(p_.splat(p_.load16(from)), 16) : p_.broadcast(from);
  }
  static int64_t bytes_of(ElementType type) { return type == ElementType::bf16 ? 2 : 4; }
  Vec& sum(int r, int j) { return sums_[static_cast<size_t>(r * vectors_ + j)]; }

  // C and full operands.

  Cursor cursor(int64_t surface) {
    Cursor c;
    c.at = p_.load64(jit::mem(p_.args(), surface + static_cast<int64_t>(offsetof(Surface, data))));
    if (s_.c_rows.kind == Rows::Kind::strided && s_.rows > 1) {
      c.stride = p_.load64(jit::mem(p_.args(), surface + static_cast<int64_t>(offsetof(Surface, row_bytes))));
    }
    const int blocks = s_.c_block_columns == 0 ? 0 : (s_.columns - 1) / s_.c_block_columns;
    if (blocks > 0) {
      const Gpr stride = p_.load64(jit::mem(p_.args(), surface + static_cast<int64_t>(offsetof(Surface, block_bytes))));
      c.blocks = Ladder::make(p_, stride, blocks);
    }
    return c;
  }
  /// Vector j of the row at `row`.
  Mem vector_at(const Cursor& c, Mem row, int j) const {
    const int column = j * p_.lanes();
    if (s_.c_block_columns == 0) return row.at(column * bytes_of(s_.c_type));
    return c.blocks.step(row.at(column % s_.c_block_columns * bytes_of(s_.c_type)), column / s_.c_block_columns);
  }
  /// Row r of an unrolled walk; strided cursors must have been advanced r times.
  Mem row_at(const Cursor& c, int r) const {
    switch (s_.c_rows.kind) {
      case Rows::Kind::strided:
        return jit::mem(c.at);
      case Rows::Kind::constant:
        return jit::mem(c.at, int64_t{r} * s_.c_rows.bytes);
      default:
        return jit::mem(c.at, s_.c_rows.displacements[static_cast<size_t>(r)]);
    }
  }
  void advance(Cursor& c, int r) {
    if (s_.c_rows.kind == Rows::Kind::strided && r + 1 < s_.rows) p_.add(c.at, c.stride);
  }

  // Sums.

  void make_sums() {
    Cursor c;
    if (s_.accumulate) c = cursor(kC);
    for (int r = 0; r < s_.rows; ++r) {
      for (int j = 0; j < vectors_; ++j) {
        sums_.push_back(s_.accumulate ? load(vector_at(c, row_at(c, r), j), j, s_.c_type) : p_.zero(lanes_of(j)));
      }
      if (s_.accumulate) advance(c, r);
    }
  }

  void multiply() {
    load_b_pointers();
    if (s_.a_rows.kind == Rows::Kind::strided && s_.rows > 1) {
      a_stride_ = Ladder::make(p_, p_.load64(arg(offsetof(MicrokernelArgs, a_row_bytes))), std::min(s_.rows, kRowsPerBase) - 1);
    }
    if (!s_.batched) {
      load_a_pointers({});
      multiply_one(s_.k);
      return;
    }
    multiply_batch(s_.k, offsetof(MicrokernelArgs, a_offsets), offsetof(MicrokernelArgs, batch));
    if (s_.rest > 0) multiply_batch(s_.rest, offsetof(MicrokernelArgs, rest_offsets), offsetof(MicrokernelArgs, rest_batch));
  }

  void multiply_batch(int64_t k, size_t offsets_arg, size_t count_arg) {
    const Gpr offsets = p_.load64(arg(offsets_arg)), left = p_.load64(arg(count_arg));
    const jit::Label next = p_.label();
    p_.bind(next);
    load_a_pointers(jit::mem(offsets));
    multiply_one(k);
    p_.add(offsets, 8);
    p_.sub(left, 1);
    p_.jump_if(left, Cond::gt, 0, next);
  }

  Mem arg(size_t offset) const { return jit::mem(p_.args(), static_cast<int64_t>(offset)); }
  bool in_place() const { return s_.panel_columns == 0; }

  void load_b_pointers() {
    b_.push_back(p_.load64(arg(offsetof(MicrokernelArgs, b))));
    if (in_place()) {
      b_rows_ = Ladder::make(p_, p_.load64(arg(offsetof(MicrokernelArgs, b_row_bytes))), kUnroll - 1);
      return;
    }
    const int panels = (s_.columns + s_.panel_columns - 1) / s_.panel_columns;
    for (int i = 1; i < panels; ++i) {
      b_.push_back(p_.copy(b_.back()));
      p_.add(b_.back(), p_.load64(arg(offsetof(MicrokernelArgs, b_panel_bytes))));
    }
  }

  void load_a_pointers(std::optional<Mem> offset) {
    a_.clear();
    a_.push_back(p_.load64(arg(offsetof(MicrokernelArgs, a))));
    if (offset) p_.add(a_.front(), p_.load64(*offset));
    if (s_.a_rows.kind != Rows::Kind::strided) return;
    for (int r = kRowsPerBase; r < s_.rows; r += kRowsPerBase) {
      a_.push_back(p_.address(a_stride_.step(jit::mem(a_.back()), kRowsPerBase - 1)));
      p_.add(a_.back(), a_stride_.one);
    }
  }

  Mem a_at(int r, int step) const {
    const int64_t disp = int64_t{step} * 4;
    switch (s_.a_rows.kind) {
      case Rows::Kind::strided:
        return a_stride_.step(jit::mem(a_[static_cast<size_t>(r / kRowsPerBase)], disp), r % kRowsPerBase);
      case Rows::Kind::constant:
        return jit::mem(a_.front(), int64_t{r} * s_.a_rows.bytes + disp);
      default:
        return jit::mem(a_.front(), s_.a_rows.displacements[static_cast<size_t>(r)] + disp);
    }
  }

  Mem packed_b(int j, int step) const {
    const int column = j * p_.lanes();
    const int panel = column / s_.panel_columns;
    const int64_t disp = (int64_t{step} * s_.panel_columns + column % s_.panel_columns) * 4;
    return jit::mem(b_[static_cast<size_t>(panel)], disp);
  }
  /// Vector j of row `row` of B in place.
  Mem b_row(int j, int row) const {
    return b_rows_.step(jit::mem(b_.front(), int64_t{j} * p_.lanes() * element_bytes(s_.product)), row);
  }

  /// What of a k-step is multiplied at once: all of it, or one element of a pair of bfloat16 as fp32.
  enum class Half : uint8_t { all, first, second };

  Vec half_of(Vec pairs, Half half) {
    if (half == Half::all) return pairs;
    return half == Half::first ? p_.shl(pairs, 16) : p_.bit_and(pairs, Operand::constant_bits(0xffff0000));
  }
  Vec load_b(int j, int step, Half half) {
    if (!in_place()) return half_of(p_.load(packed_b(j, step), lanes_of(j)), half);
    if (s_.product == Product::f32) return load(b_row(j, step), j, ElementType::f32);
    if (half != Half::all) return load(b_row(j, 2 * step + (half == Half::second ? 1 : 0)), j, ElementType::bf16);
    const Vec first = load_words(b_row(j, 2 * step), j);
    return odd_ ? first : p_.bit_or(first, p_.shl(load_words(b_row(j, 2 * step + 1), j), 16));
  }
  /// The element left over when k is odd stands alone: what follows it may be anything.
  Vec load_a(int r, int step, Half half) {
    return half_of(odd_ ? p_.splat(p_.load16(a_at(r, step))) : p_.broadcast(a_at(r, step)), half);
  }

  /// One vector of A broadcast and a temporary for it, or the broadcast folded into each multiply.
  bool folds_broadcast(Half half) const {
    return p_.avx512() && half == Half::all && !odd_ && (vectors_ == 1 || s_.rows * vectors_ + vectors_ + 1 > 32);
  }

  void multiply_add(Vec acc, Vec a, Operand b, Half half) {
    half == Half::all&& s_.product == Product::bf16 ? p_.dot_bf16(acc, a, b) : p_.fmadd231(acc, a, b);
  }

  /// Fewer rows than vectors: A's broadcasts stay in registers and B passes by, as memory operands when used once.
  void wide_half_step(int step, Half half) {
    std::vector<Vec> a;
    for (int r = 0; r < s_.rows; ++r) a.push_back(load_a(r, step, half));
    for (int j = 0; j < vectors_; ++j) {
      const bool once = s_.rows == 1 && !in_place() && half == Half::all;
      const Operand b = once ? Operand::memory(packed_b(j, step)) : Operand(load_b(j, step, half));
      for (int r = 0; r < s_.rows; ++r) multiply_add(sum(r, j), a[static_cast<size_t>(r)], b, half);
    }
  }

  void half_step(int step, Half half) {
    if (s_.rows < vectors_) return wide_half_step(step, half);
    std::vector<Vec> b;
    for (int j = 0; j < vectors_; ++j) b.push_back(load_b(j, step, half));
    for (int r = 0; r < s_.rows; ++r) {
      const Operand a = folds_broadcast(half) ? Operand::broadcast(a_at(r, step)) : Operand(load_a(r, step, half));
      for (int j = 0; j < vectors_; ++j) multiply_add(sum(r, j), b[static_cast<size_t>(j)], a, half);
    }
  }

  void k_step(int step) {
    if (s_.product == Product::f32 || s_.isa >= Isa::avx512_bf16) return half_step(step, Half::all);
    if (!odd_) half_step(step, Half::second);
    half_step(step, Half::first);
  }

  /// The last element of an odd k.
  void odd_step() {
    odd_ = true;
    k_step(0);
    odd_ = false;
    if (in_place()) {
      p_.add(b_.front(), b_rows_.one);
    } else {
      advance_k(1, false);
    }
  }

  void advance_k(int steps, bool advance_a) {
    if (in_place()) {
      for (int done = 0; done < steps * step_elements(s_.product); ++done) p_.add(b_.front(), b_rows_.one);
    } else {
      for (const Gpr b : b_) p_.add(b, int64_t{steps} * s_.panel_columns * 4);
    }
    if (!advance_a) return;
    for (const Gpr a : a_) p_.add(a, int64_t{steps} * 4);
  }

  void prefetch_b(int step) {
    constexpr int kLineColumns = 16;
    for (int column = 0; column < s_.columns; column += kLineColumns)
      p_.prefetch(packed_b(column / p_.lanes(), step).at(s_.prefetch));
  }

  void k_block(int steps, bool advance_a) {
    // In place, B's rows are reached by a ladder of four.
    const int most = in_place() ? kUnroll / step_elements(s_.product) : steps;
    for (int first = 0; first < steps; first += most) {
      const int count = std::min(most, steps - first);
      for (int i = 0; i < count; ++i) {
        k_step(i);
        if (s_.prefetch != 0) prefetch_b(i);
      }
      advance_k(count, advance_a || first + count < steps);
    }
  }

  void k_loop(Gpr count, int steps) {
    const jit::Label top = p_.label();
    p_.bind(top);
    k_block(steps, true);
    p_.sub(count, 1);
    p_.jump_if(count, Cond::gt, 0, top);
  }

  void multiply_one(int64_t k) {
    if (k == 0) return multiply_k_steps();
    const int64_t steps = k / step_elements(s_.product);
    const bool odd = k % step_elements(s_.product) != 0;
    if (steps <= straight_steps(p_.avx512())) {
      k_block(static_cast<int>(steps), odd);
    } else {
      k_loop(p_.number(steps / kUnroll), kUnroll);
      if (const auto rest = static_cast<int>(steps % kUnroll); rest > 0) k_block(rest, odd);
    }
    if (odd) odd_step();
  }

  void multiply_k_steps() {
    const jit::Label rest = p_.label(), done = p_.label();
    const bool pairs = s_.product == Product::bf16;
    const Gpr count = p_.load64(arg(offsetof(MicrokernelArgs, k)));
    p_.shr(count, pairs ? 3 : 2);
    p_.jump_if(count, Cond::eq, 0, rest);
    k_loop(count, kUnroll);
    p_.bind(rest);
    p_.load64(arg(offsetof(MicrokernelArgs, k)), count);
    if (pairs) p_.shr(count, 1);
    p_.bit_and(count, kUnroll - 1);
    p_.jump_if(count, Cond::eq, 0, done);
    k_loop(count, 1);
    p_.bind(done);
    if (!pairs) return;
    const jit::Label even = p_.label();
    p_.load64(arg(offsetof(MicrokernelArgs, k)), count);
    p_.bit_and(count, 1);
    p_.jump_if(count, Cond::eq, 0, even);
    odd_step();
    p_.bind(even);
  }

  // Tail.

  void store_sums() {
    Cursor c = cursor(kC);
    for (int r = 0; r < s_.rows; ++r) {
      for (int j = 0; j < vectors_; ++j) store(vector_at(c, row_at(c, r), j), sum(r, j), j);
      advance(c, r);
    }
  }

  /// An operand of the tail while its code is made.
  struct TailOperand {
    Cursor cursor;
    Vec value;                ///< row: the present row's; scalar: the value
    std::optional<Vec> last;  ///< column: the narrow last vector
  };

  static int64_t surface_of(size_t operand) {
    return static_cast<int64_t>(offsetof(MicrokernelArgs, operands) + operand * sizeof(Surface));
  }

  void open_tail() {
    operands_.resize(s_.tail.operands.size());
    for (size_t i = 1; i < operands_.size(); ++i) {
      TailOperand& o = operands_[i];
      if (s_.tail.operands[i] == Spread::full) {
        o.cursor = cursor(surface_of(i));
        continue;
      }
      o.cursor.at = p_.load64(jit::mem(p_.args(), surface_of(i)));
      const int last = vectors_ - 1;
      const ElementType type = s_.operand_type(i);
      if (s_.tail.operands[i] == Spread::column && partial(last)) {
        o.last = load(column_at(i, last), last, type);
      } else if (s_.tail.operands[i] == Spread::scalar) {
        o.value = broadcast(jit::mem(o.cursor.at), type);
      }
    }
  }

  Mem column_at(size_t i, int j) const {
    return jit::mem(operands_[i].cursor.at, int64_t{j} * p_.lanes() * bytes_of(s_.operand_type(i)));
  }
  Operand tail_operand(Mem from, int j, ElementType type) {
    return partial(j) || type != ElementType::f32 ? Operand(load(from, j, type)) : Operand::memory(from);
  }

  /// `row(cursor)` is the address of the present row in a full operand.
  template <class RowOf>
  Vec tail_vector(Vec sum, int j, RowOf row) {
    std::vector<Operand> values = {sum};
    for (size_t i = 1; i < operands_.size(); ++i) {
      const TailOperand& o = operands_[i];
      switch (s_.tail.operands[i]) {
        case Spread::full:
          values.push_back(tail_operand(vector_at(o.cursor, row(o.cursor), j), j, s_.c_type));
          break;
        case Spread::column:
          values.push_back(o.last && j == vectors_ - 1 ? Operand(*o.last) : tail_operand(column_at(i, j), j, s_.operand_type(i)));
          break;
        default:
          values.push_back(o.value);
      }
    }
    return eltwise::emit_steps(p_, s_.tail, values, lanes_of(j));
  }

  void store_with_tail() {
    if (s_.tail.empty()) return store_sums();
    open_tail();
    Cursor c = cursor(kC);
    for (int r = 0; r < s_.rows; ++r) {
      load_row_operands(r);
      for (int j = 0; j < vectors_; ++j) {
        const Vec value = tail_vector(sum(r, j), j, [&](const Cursor& cursor) { return row_at(cursor, r); });
        store(vector_at(c, row_at(c, r), j), value, j);
      }
      advance(c, r);
      for (size_t i = 1; i < operands_.size(); ++i) {
        if (s_.tail.operands[i] == Spread::full) advance(operands_[i].cursor, r);
      }
    }
  }

  void load_row_operands(int r) {
    for (size_t i = 1; i < operands_.size(); ++i) {
      if (s_.tail.operands[i] != Spread::row) continue;
      const ElementType type = s_.operand_type(i);
      operands_[i].value = broadcast(jit::mem(operands_[i].cursor.at, r * bytes_of(type)), type);
    }
  }

  int64_t staged_row_bytes() const { return int64_t{vectors_} * p_.lanes() * 4; }

  /// Sums in fp32 wait in C itself, or in a frame where C has another type.
  void stage_sums() {
    if (s_.c_type == ElementType::f32) return store_sums();
    frame_ = p_.frame(s_.rows * staged_row_bytes());
    for (int r = 0; r < s_.rows; ++r) {
      for (int j = 0; j < vectors_; ++j)
        p_.store(jit::mem(frame_, r * staged_row_bytes() + int64_t{j} * p_.lanes() * 4), sum(r, j));
    }
  }
  Vec staged_sum(Mem in_c, int j) {
    if (s_.c_type == ElementType::f32) return load(in_c, j, s_.c_type);
    return p_.load(jit::mem(frame_, int64_t{j} * p_.lanes() * 4), lanes_of(j));
  }

  void run_tail_over_sums() {
    open_tail();
    Cursor c = cursor(kC);
    Gpr table, displacement;
    const bool tabled = s_.c_rows.kind == Rows::Kind::table;
    if (tabled) table = p_.number(reinterpret_cast<int64_t>(s_.c_rows.displacements.data()));
    const Gpr left = p_.number(s_.rows);
    const jit::Label next = p_.label();
    p_.bind(next);
    if (tabled) displacement = p_.load32(jit::mem(table));
    const auto row = [&](const Cursor& cursor) {
      return tabled ? jit::mem(p_.address(jit::mem(cursor.at, displacement, 1))) : jit::mem(cursor.at);
    };
    load_row_operands(0);
    for (int j = 0; j < vectors_; ++j) {
      const Mem to = vector_at(c, row(c), j);
      store(to, tail_vector(staged_sum(to, j), j, row), j);
    }
    next_row(c);
    if (s_.c_type != ElementType::f32) p_.add(frame_, staged_row_bytes());
    for (size_t i = 1; i < operands_.size(); ++i) {
      if (s_.tail.operands[i] == Spread::full) next_row(operands_[i].cursor);
      if (s_.tail.operands[i] == Spread::row) p_.add(operands_[i].cursor.at, bytes_of(s_.operand_type(i)));
    }
    if (tabled) p_.add(table, 4);
    p_.sub(left, 1);
    p_.jump_if(left, Cond::gt, 0, next);
  }

  void next_row(Cursor& c) {
    if (s_.c_rows.kind == Rows::Kind::constant) p_.add(c.at, s_.c_rows.bytes);
    if (s_.c_rows.kind == Rows::Kind::strided && s_.rows > 1) p_.add(c.at, c.stride);
  }

  const MicrokernelSpec& s_;
  bool staged_;
  jit::Program p_;
  int vectors_;
  std::vector<Vec> sums_;
  std::vector<Gpr> a_, b_;
  Ladder a_stride_, b_rows_;
  Gpr frame_;         ///< sums that wait for their tail
  bool odd_ = false;  ///< in the step of one element
  std::optional<Mask> tail_mask_;
  std::vector<TailOperand> operands_;
};

}  // namespace

jit::Program generate(const MicrokernelSpec& spec, bool staged) {
  return Generator(spec, staged).run();
}

}  // namespace slipway::gemm

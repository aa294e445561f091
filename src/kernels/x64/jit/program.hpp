// Program: a straight list of machine-near operations over virtual registers, built by kernels' generators.
// Register allocation and encoding happen in compile() (jit/code.hpp); text() shows what was built.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/cpu.hpp"

namespace slipway::jit {

/// Virtual registers. A default-made handle is "none". Vec holds fp32 or int32 lanes; Mask holds one truth value a lane.
struct Vec {
  int32_t id = -1;
};
struct Gpr {
  int32_t id = -1;
};
struct Mask {
  int32_t id = -1;
};
struct Label {
  int32_t id = -1;
};

enum class RegClass : uint8_t { vec, gpr, mask };

/// base + index * scale + disp; scale is 1, 2, 4 or 8.
struct Mem {
  Gpr base;
  Gpr index;
  int scale = 1;
  int32_t disp = 0;

  Mem at(int64_t more) const { return {base, index, scale, static_cast<int32_t>(disp + more)}; }
};
inline Mem mem(Gpr base, int64_t disp = 0) {
  return {base, Gpr{}, 1, static_cast<int32_t>(disp)};
}
inline Mem mem(Gpr base, Gpr index, int scale, int64_t disp = 0) {
  return {base, index, scale, static_cast<int32_t>(disp)};
}

/// The second source of a vector operation: a register, memory (a whole vector, or one 32-bit element in every lane), or a
/// 32-bit constant in every lane. Broadcast memory is an operand on AVX-512 only; elsewhere use Program::broadcast.
struct Operand {
  enum class Kind : uint8_t { vec, mem, broadcast, constant };

  Operand(Vec v) : kind(Kind::vec), reg(v) {}
  Operand(float value);
  Operand(Kind k, Mem m) : kind(k), address(m) {}
  static Operand memory(Mem m) { return {Kind::mem, m}; }
  static Operand broadcast(Mem m) { return {Kind::broadcast, m}; }
  static Operand constant_bits(uint32_t bits);

  Kind kind;
  Vec reg;
  Mem address;
  uint32_t bits = 0;
};

enum class Compare : uint8_t {
  eq = 0,
  lt = 1,
  le = 2,
  unordered = 3,
  ne = 4,
  not_lt = 5,
  ge = 13,
  gt = 14
};  ///< fp32; ne and not_lt are true on NaN
enum class Round : uint8_t { nearest_even = 0, floor = 1, ceil = 2, trunc = 3 };
enum class Cond : uint8_t { eq, ne, lt, le, gt, ge };  ///< signed 64-bit

enum class Op : uint8_t {
  // 64-bit general registers
  g_const,
  g_move,
  g_load,
  g_load32,
  g_load16,
  g_load8,
  g_store,
  g_prefetch,
  g_add,
  g_sub,
  g_mul,
  g_and,
  g_shl,
  g_shr,
  g_min,
  g_lea,
  g_bzhi,
  g_frame,
  // control
  bind,
  jump,
  jump_if,
  // vectors: moves
  load,
  store,
  load_masked,
  store_masked,
  store_lane,
  broadcast,
  constant,
  zero,
  move,
  splat,
  // vectors: arithmetic
  add,
  sub,
  mul,
  div,
  min,
  max,
  bit_and,
  bit_or,
  bit_xor,
  bit_andnot,
  iadd,
  isub,
  imul,
  imin,
  imax,
  scale2,
  fmadd231,
  fnmadd231,
  fmadd213,
  dot_bf16,
  dot_u8s8,
  sqrt,
  round,
  to_int,
  to_int_trunc,
  to_float,
  shl,
  shr,
  sar,
  lane_xor,
  half_to_float,
  load_words,
  load_words_masked,
  load_words_few,
  pack_words,
  to_bf16,
  store_half,
  store_half_masked,
  store_words_few,
  half_to_float_masked,
  words_to_float,
  float_to_words,
  load_bytes,
  load_bytes_masked,
  shuffle_bytes,
  pack_bytes,
  store_quarter,
  store_quarter_masked,
  // masks
  compare,
  icompare_gt,
  icompare_eq,
  blend,
  mask_const,
  mask_below,
  mask_from_gpr,
  mask_and,
  mask_or,
  mask_not,
};

/// One operation. `b` is the operand of `kind`; `c` is the mask of masked operations, blend and store.
struct Inst {
  Op op;
  uint8_t detail = 0;  ///< Compare, Round, Cond, shift count, lane distance or stored lane count
  uint8_t scale = 1;
  Operand::Kind kind = Operand::Kind::vec;
  int32_t dst = -1, a = -1, b = -1, c = -1;
  int32_t base = -1, index = -1, disp = 0;
  int64_t imm = 0;
};

struct VRegInfo {
  RegClass cls;
  uint8_t lanes;  ///< of a Vec or Mask
};

/// Builds one function `void(const void* args)`. Vec operations return a fresh register of the first source's width unless `into`
/// is given; Gprs behave as variables (operations on them are in place). Every register must be written before a loop that
/// reads it, unless it is written in that loop before each read.
class Program {
 public:
  /// Precondition: isa >= avx2.
  Program(Isa isa, std::string name);

  Isa isa() const { return isa_; }
  bool avx512() const { return isa_ >= Isa::avx512; }
  /// 32-bit lanes of a full vector: 8 or 16.
  int lanes() const { return avx512() ? 16 : 8; }
  /// From now on width 0 means `lanes` (0: full again), so that emitters work at the width of a narrow tile.
  void use_lanes(int lanes) { default_lanes_ = lanes == 0 ? this->lanes() : lanes; }
  const std::string& name() const { return name_; }
  /// The function's only argument.
  Gpr args() const { return Gpr{0}; }

  Vec vec(int lanes = 0);
  Gpr gpr();
  Mask mask(int lanes = 0);

  // General registers.
  Gpr number(int64_t value);
  Gpr copy(Gpr value);
  void set(Gpr dst, int64_t value);
  void assign(Gpr dst, Gpr value);
  Gpr load64(Mem from);
  void load64(Mem from, Gpr into);
  Gpr load32(Mem from);  ///< sign-extended
  Gpr load16(Mem from);  ///< zero-extended
  Gpr load8(Mem from);   ///< zero-extended
  void store64(Mem to, Gpr value);
  /// Asks for the cache line; any address will do.
  void prefetch(Mem line);
  void add(Gpr dst, int64_t value);
  void add(Gpr dst, Gpr value);
  void sub(Gpr dst, int64_t value);
  void sub(Gpr dst, Gpr value);
  void mul(Gpr dst, int64_t value);
  void mul(Gpr dst, Gpr value);
  void bit_and(Gpr dst, int64_t value);
  void shl(Gpr dst, int count);
  void shr(Gpr dst, int count);
  void min(Gpr dst, Gpr value);  ///< signed
  Gpr address(Mem of);
  /// 64-byte aligned memory of this call, contents unspecified; each further one lies behind the ones before.
  Gpr frame(int64_t bytes);
  void address(Mem of, Gpr into);

  // Control. A backward jump makes a loop; registers stay live over it.
  Label label();
  void bind(Label label);
  void jump(Label to);
  void jump_if(Gpr a, Cond cond, int64_t b, Label to);
  void jump_if(Gpr a, Cond cond, Gpr b, Label to);

  // Vector moves. Widths in lanes: 4, 8 or 16 (16 on AVX-512 only); 0 means that of use_lanes, full at first.
  Vec load(Mem from, int lanes = 0);
  Vec load(Mem from, Mask mask);  ///< lanes outside the mask are zero and not touched in memory
  void store(Mem to, Vec value);
  void store(Mem to, Vec value, Mask mask);
  void store_lane0(Mem to, Vec value);
  Vec broadcast(Mem from, int lanes = 0);
  Vec constant(float value, int lanes = 0);
  Vec constant_bits(uint32_t bits, int lanes = 0);
  Vec zero(int lanes = 0, Vec into = {});
  Vec copy(Vec value);
  void assign(Vec dst, Vec value);
  Vec splat(Gpr low32, int lanes = 0);
  /// Lane i of the result is lane (i ^ distance); distance 1, 2, 4 or 8.
  Vec lane_xor(Vec value, int distance);
  /// IEEE halves as fp32 and back, rounded to nearest even.
  Vec load_half(Mem from);
  Vec load_half(Mem from, Mask mask);  ///< AVX-512 only, as all masks on memory of narrow elements
  void store_float16(Mem to, Vec value);
  void store_float16(Mem to, Vec value, Mask mask);
  Vec round_float16(Vec value);
  /// One half that fills the low 16 bits of `pattern`, as fp32 in every lane.
  Vec splat_float16(Gpr pattern);
  /// Bytes as 32-bit lanes, and the low 8 bits of each lane.
  Vec load_bytes(Mem from, bool is_signed);
  Vec load_bytes(Mem from, bool is_signed, Mask mask);
  void store_bytes(Mem to, Vec value);
  void store_bytes(Mem to, Vec value, Mask mask);

  /// The lanes of a narrow last vector: `mask` where masks are registers of their own (AVX-512), `count` (below the lanes)
  /// elsewhere.
  struct Few {
    int count;
    Mask mask;
  };
  Vec load_words(Mem from, int lanes = 0);  ///< 16-bit words, zero-extended
  Vec load_words(Mem from, Few few, int lanes);
  void store_words(Mem to, Vec value);  ///< the low 16 bits of each lane
  void store_words(Mem to, Vec value, Few few);
  /// bfloat16 as fp32, and back, rounded to nearest even (a NaN stays one; below AVX512_BF16 denormals are kept, there they are
  /// 0).
  Vec load_bf16(Mem from, int lanes = 0) { return shl(load_words(from, lanes), 16); }
  Vec load_bf16(Mem from, Few few, int lanes) { return shl(load_words(from, few, lanes), 16); }
  void store_bf16(Mem to, Vec value);
  void store_bf16(Mem to, Vec value, Few few);

  // fp32 arithmetic; min and max return `b` when either is NaN.
  Vec add(Vec a, Operand b, Vec into = {}) { return binary(Op::add, a, b, into); }
  Vec sub(Vec a, Operand b, Vec into = {}) { return binary(Op::sub, a, b, into); }
  Vec mul(Vec a, Operand b, Vec into = {}) { return binary(Op::mul, a, b, into); }
  Vec div(Vec a, Operand b, Vec into = {}) { return binary(Op::div, a, b, into); }
  Vec min(Vec a, Operand b, Vec into = {}) { return binary(Op::min, a, b, into); }
  Vec max(Vec a, Operand b, Vec into = {}) { return binary(Op::max, a, b, into); }
  Vec sqrt(Vec a);
  Vec round(Vec a, Round mode);
  void fmadd231(Vec acc, Vec a, Operand b) { ternary(Op::fmadd231, acc, a, b); }    ///< acc += a * b
  void fnmadd231(Vec acc, Vec a, Operand b) { ternary(Op::fnmadd231, acc, a, b); }  ///< acc -= a * b
  void fmadd213(Vec acc, Vec a, Operand b) { ternary(Op::fmadd213, acc, a, b); }    ///< acc = acc * a + b
  void dot_bf16(Vec acc, Vec a, Operand b) { ternary(Op::dot_bf16, acc, a, b); }    ///< avx512_bf16
  void dot_u8s8(Vec acc, Vec a, Operand b) { ternary(Op::dot_u8s8, acc, a, b); }    ///< avx512_vnni

  // Bits and 32-bit integers.
  Vec bit_and(Vec a, Operand b) { return binary(Op::bit_and, a, b); }
  Vec bit_or(Vec a, Operand b) { return binary(Op::bit_or, a, b); }
  Vec bit_xor(Vec a, Operand b) { return binary(Op::bit_xor, a, b); }
  Vec bit_andnot(Vec not_a, Operand b) { return binary(Op::bit_andnot, not_a, b); }
  Vec iadd(Vec a, Operand b) { return binary(Op::iadd, a, b); }
  Vec isub(Vec a, Operand b) { return binary(Op::isub, a, b); }
  Vec imul(Vec a, Operand b) { return binary(Op::imul, a, b); }
  Vec imin(Vec a, Operand b) { return binary(Op::imin, a, b); }
  Vec imax(Vec a, Operand b) { return binary(Op::imax, a, b); }
  Vec shl(Vec a, int count) { return shift(Op::shl, a, count); }
  Vec shr(Vec a, int count) { return shift(Op::shr, a, count); }
  Vec sar(Vec a, int count) { return shift(Op::sar, a, count); }
  Vec to_int(Vec a);  ///< nearest even; out of range gives INT32_MIN
  Vec to_int_trunc(Vec a);
  Vec to_float(Vec a);
  /// a * 2^b for integral fp32 b in [-253, 255], rounded once (overflow to infinity, gradual underflow).
  Vec scale2(Vec a, Vec b);

  // Masks.
  Mask compare(Vec a, Compare relation, Operand b);
  Mask icompare_gt(Vec a, Operand b);
  Mask icompare_eq(Vec a, Operand b);
  Vec blend(Mask mask, Operand if_true, Vec if_false);
  /// Lanes [0, count).
  Mask mask_below(int count, int lanes = 0);
  Mask mask_below(Gpr count, int lanes = 0);  ///< count in 0..255
  Mask mask_and(Mask a, Mask b);
  Mask mask_or(Mask a, Mask b);
  Mask mask_not(Mask a);

  /// Bytes of all frames.
  int64_t frame_bytes() const { return frame_bytes_; }

  /// One operation a line, with virtual register names.
  std::string text() const;

  const std::vector<Inst>& insts() const { return insts_; }
  const std::vector<VRegInfo>& registers() const { return registers_; }
  int label_count() const { return labels_; }

 private:
  Vec binary(Op op, Vec a, const Operand& b, Vec into = {});
  void ternary(Op op, Vec acc, Vec a, const Operand& b);
  Vec unary(Op op, Vec a, uint8_t detail = 0);
  Vec shift(Op op, Vec a, int count);
  Vec packed_words(Vec value);
  Vec bf16_words(Vec value);
  void store_packed(Mem to, Vec words);
  void store_packed(Mem to, Vec words, Few few);
  void in_place(Op op, Gpr dst, int64_t value);
  void in_place(Op op, Gpr dst, Gpr value);
  Inst& emit(Op op, int32_t dst = -1, int32_t a = -1);
  int lanes_of(Vec v) const { return registers_[static_cast<size_t>(v.id)].lanes; }
  int32_t fresh(RegClass cls, int lanes);

  Isa isa_;
  std::string name_;
  std::vector<Inst> insts_;
  std::vector<VRegInfo> registers_;
  int labels_ = 0;
  int default_lanes_;
  int64_t frame_bytes_ = 0;
};

}  // namespace slipway::jit

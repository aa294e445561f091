#include "kernels/x64/jit/program.hpp"

#include <bit>

namespace slipway::jit {

namespace {

void set_address(Inst& inst, const Mem& m) {
  inst.base = m.base.id;
  inst.index = m.index.id;
  inst.scale = static_cast<uint8_t>(m.scale);
  inst.disp = m.disp;
}

void set_operand(Inst& inst, const Operand& operand) {
  inst.kind = operand.kind;
  switch (operand.kind) {
    case Operand::Kind::vec:
      inst.b = operand.reg.id;
      break;
    case Operand::Kind::mem:
    case Operand::Kind::broadcast:
      set_address(inst, operand.address);
      break;
    case Operand::Kind::constant:
      inst.imm = operand.bits;
      break;
  }
}

}  // namespace

Operand::Operand(float value) : kind(Kind::constant), bits(std::bit_cast<uint32_t>(value)) {}

Operand Operand::constant_bits(uint32_t bits) {
  return Operand(std::bit_cast<float>(bits));
}

Program::Program(Isa isa, std::string name) : isa_(isa), name_(std::move(name)), default_lanes_(lanes()) {
  insts_.reserve(256);
  registers_.reserve(256);
  fresh(RegClass::gpr, 0);
}

int32_t Program::fresh(RegClass cls, int lanes) {
  registers_.push_back({cls, static_cast<uint8_t>(lanes == 0 ? default_lanes_ : lanes)});
  return static_cast<int32_t>(registers_.size()) - 1;
}

Vec Program::vec(int lanes) {
  return Vec{fresh(RegClass::vec, lanes)};
}
Gpr Program::gpr() {
  return Gpr{fresh(RegClass::gpr, 0)};
}
Mask Program::mask(int lanes) {
  return Mask{fresh(RegClass::mask, lanes)};
}

Inst& Program::emit(Op op, int32_t dst, int32_t a) {
  Inst inst{op};
  inst.dst = dst;
  inst.a = a;
  insts_.push_back(inst);
  return insts_.back();
}

// General registers.

void Program::set(Gpr dst, int64_t value) {
  emit(Op::g_const, dst.id).imm = value;
}
Gpr Program::number(int64_t value) {
  const Gpr g = gpr();
  set(g, value);
  return g;
}
void Program::assign(Gpr dst, Gpr value) {
  emit(Op::g_move, dst.id, value.id);
}
Gpr Program::copy(Gpr value) {
  const Gpr g = gpr();
  assign(g, value);
  return g;
}
void Program::load64(Mem from, Gpr into) {
  set_address(emit(Op::g_load, into.id), from);
}
Gpr Program::load64(Mem from) {
  const Gpr g = gpr();
  load64(from, g);
  return g;
}
Gpr Program::load32(Mem from) {
  const Gpr g = gpr();
  set_address(emit(Op::g_load32, g.id), from);
  return g;
}
Gpr Program::load16(Mem from) {
  const Gpr g = gpr();
  set_address(emit(Op::g_load16, g.id), from);
  return g;
}
void Program::store64(Mem to, Gpr value) {
  set_address(emit(Op::g_store, -1, value.id), to);
}

void Program::prefetch(Mem line) {
  set_address(emit(Op::g_prefetch, -1), line);
}

void Program::in_place(Op op, Gpr dst, int64_t value) {
  emit(op, dst.id, dst.id).imm = value;
}
void Program::in_place(Op op, Gpr dst, Gpr value) {
  emit(op, dst.id, dst.id).b = value.id;
}
void Program::add(Gpr dst, int64_t value) {
  in_place(Op::g_add, dst, value);
}
void Program::add(Gpr dst, Gpr value) {
  in_place(Op::g_add, dst, value);
}
void Program::sub(Gpr dst, int64_t value) {
  in_place(Op::g_sub, dst, value);
}
void Program::sub(Gpr dst, Gpr value) {
  in_place(Op::g_sub, dst, value);
}
void Program::mul(Gpr dst, int64_t value) {
  in_place(Op::g_mul, dst, value);
}
void Program::mul(Gpr dst, Gpr value) {
  in_place(Op::g_mul, dst, value);
}
void Program::bit_and(Gpr dst, int64_t value) {
  in_place(Op::g_and, dst, value);
}
void Program::shl(Gpr dst, int count) {
  in_place(Op::g_shl, dst, count);
}
void Program::shr(Gpr dst, int count) {
  in_place(Op::g_shr, dst, count);
}
void Program::min(Gpr dst, Gpr value) {
  in_place(Op::g_min, dst, value);
}
void Program::address(Mem of, Gpr into) {
  set_address(emit(Op::g_lea, into.id), of);
}
Gpr Program::address(Mem of) {
  const Gpr g = gpr();
  address(of, g);
  return g;
}

Gpr Program::load8(Mem from) {
  const Gpr g = gpr();
  set_address(emit(Op::g_load8, g.id), from);
  return g;
}
Gpr Program::frame(int64_t bytes) {
  const Gpr g = gpr();
  emit(Op::g_frame, g.id).imm = frame_bytes_;
  frame_bytes_ += (bytes + 63) / 64 * 64;
  return g;
}

// Control.

Label Program::label() {
  return Label{labels_++};
}
void Program::bind(Label label) {
  emit(Op::bind).imm = label.id;
}
void Program::jump(Label to) {
  emit(Op::jump).imm = to.id;
}
void Program::jump_if(Gpr a, Cond cond, int64_t b, Label to) {
  Inst& inst = emit(Op::jump_if, -1, a.id);
  inst.detail = static_cast<uint8_t>(cond);
  inst.imm = to.id;
  inst.disp = static_cast<int32_t>(b);
}
void Program::jump_if(Gpr a, Cond cond, Gpr b, Label to) {
  jump_if(a, cond, 0, to);
  insts_.back().b = b.id;
}

// Vector moves.

Vec Program::load(Mem from, int lanes) {
  const Vec v = vec(lanes);
  set_address(emit(Op::load, v.id), from);
  return v;
}
Vec Program::load(Mem from, Mask mask) {
  const Vec v = vec(registers_[static_cast<size_t>(mask.id)].lanes);
  Inst& inst = emit(Op::load_masked, v.id);
  set_address(inst, from);
  inst.c = mask.id;
  return v;
}
void Program::store(Mem to, Vec value) {
  set_address(emit(Op::store, -1, value.id), to);
}
void Program::store(Mem to, Vec value, Mask mask) {
  Inst& inst = emit(Op::store_masked, -1, value.id);
  set_address(inst, to);
  inst.c = mask.id;
}
void Program::store_lane0(Mem to, Vec value) {
  set_address(emit(Op::store_lane, -1, value.id), to);
}
Vec Program::broadcast(Mem from, int lanes) {
  const Vec v = vec(lanes);
  set_address(emit(Op::broadcast, v.id), from);
  return v;
}
Vec Program::constant(float value, int lanes) {
  return constant_bits(std::bit_cast<uint32_t>(value), lanes);
}
Vec Program::constant_bits(uint32_t bits, int lanes) {
  if (bits == 0) return zero(lanes);
  const Vec v = vec(lanes);
  Inst& inst = emit(Op::constant, v.id);
  inst.kind = Operand::Kind::constant;
  inst.imm = bits;
  return v;
}
Vec Program::zero(int lanes, Vec into) {
  const Vec v = into.id >= 0 ? into : vec(lanes);
  emit(Op::zero, v.id);
  return v;
}
void Program::assign(Vec dst, Vec value) {
  emit(Op::move, dst.id, value.id);
}
Vec Program::copy(Vec value) {
  const Vec v = vec(lanes_of(value));
  assign(v, value);
  return v;
}
Vec Program::splat(Gpr low32, int lanes) {
  const Vec v = vec(lanes);
  emit(Op::splat, v.id, low32.id);
  return v;
}
Vec Program::lane_xor(Vec value, int distance) {
  return unary(Op::lane_xor, value, static_cast<uint8_t>(distance));
}
Vec Program::load_half(Mem from) {
  const Vec v = vec();
  set_address(emit(Op::half_to_float, v.id), from);
  return v;
}

// 8- and 16-bit elements.

Vec Program::load_half(Mem from, Mask mask) {
  const Vec v = vec();
  Inst& inst = emit(Op::half_to_float_masked, v.id);
  set_address(inst, from);
  inst.c = mask.id;
  return v;
}
void Program::store_float16(Mem to, Vec value) {
  store_packed(to, unary(Op::float_to_words, value));
}
void Program::store_float16(Mem to, Vec value, Mask mask) {
  store_packed(to, unary(Op::float_to_words, value), Few{0, mask});
}
Vec Program::round_float16(Vec value) {
  return unary(Op::words_to_float, unary(Op::float_to_words, value));
}
Vec Program::splat_float16(Gpr pattern) {
  const Vec words = splat(pattern);
  return unary(Op::words_to_float, bit_or(words, shl(words, 16)));
}
Vec Program::load_bytes(Mem from, bool is_signed) {
  const Vec v = vec();
  Inst& inst = emit(Op::load_bytes, v.id);
  set_address(inst, from);
  inst.detail = is_signed ? 1 : 0;
  return v;
}
Vec Program::load_bytes(Mem from, bool is_signed, Mask mask) {
  const Vec v = load_bytes(from, is_signed);
  insts_.back().op = Op::load_bytes_masked;
  insts_.back().c = mask.id;
  return v;
}
void Program::store_bytes(Mem to, Vec value) {
  if (avx512()) {
    set_address(emit(Op::store_quarter, -1, unary(Op::pack_bytes, value).id), to);
    return;
  }
  // The low byte of each lane, gathered in the first lane of each half register.
  const Vec gathered = binary(Op::shuffle_bytes, value, Operand::constant_bits(0x0C080400));
  store_lane0(to, gathered);
  store_lane0(to.at(4), lane_xor(gathered, 4));
}
void Program::store_bytes(Mem to, Vec value, Mask mask) {
  const Vec packed = unary(Op::pack_bytes, value);
  Inst& inst = emit(Op::store_quarter_masked, -1, packed.id);
  set_address(inst, to);
  inst.c = mask.id;
}

Vec Program::load_words(Mem from, int lanes) {
  const Vec v = vec(lanes);
  set_address(emit(Op::load_words, v.id), from);
  return v;
}
Vec Program::load_words(Mem from, Few few, int lanes) {
  const Vec v = vec(lanes);
  Inst& inst = emit(avx512() ? Op::load_words_masked : Op::load_words_few, v.id);
  set_address(inst, from);
  inst.detail = static_cast<uint8_t>(few.count);
  if (avx512()) inst.c = few.mask.id;
  return v;
}
Vec Program::packed_words(Vec value) {
  return unary(Op::pack_words, value);
}
Vec Program::bf16_words(Vec value) {
  if (isa_ >= Isa::avx512_bf16) return unary(Op::to_bf16, value);
  // Half of the last kept bit, less one where that bit is even, carries into what is kept.
  const Vec odd = bit_and(shr(value, 16), Operand::constant_bits(1));
  const Vec rounded = shr(iadd(iadd(value, Operand::constant_bits(0x7fff)), odd), 16);
  const Vec quiet = shr(bit_or(value, Operand::constant_bits(0x00400000)), 16);
  return packed_words(blend(compare(value, Compare::unordered, value), quiet, rounded));
}
void Program::store_packed(Mem to, Vec words) {
  set_address(emit(Op::store_half, -1, words.id), to);
}
void Program::store_packed(Mem to, Vec words, Few few) {
  Inst& inst = emit(avx512() ? Op::store_half_masked : Op::store_words_few, -1, words.id);
  set_address(inst, to);
  inst.detail = static_cast<uint8_t>(few.count);
  if (avx512()) inst.c = few.mask.id;
}
void Program::store_words(Mem to, Vec value) {
  store_packed(to, packed_words(avx512() ? value : bit_and(value, Operand::constant_bits(0xffff))));
}
void Program::store_words(Mem to, Vec value, Few few) {
  store_packed(to, packed_words(avx512() ? value : bit_and(value, Operand::constant_bits(0xffff))), few);
}
void Program::store_bf16(Mem to, Vec value) {
  store_packed(to, bf16_words(value));
}
void Program::store_bf16(Mem to, Vec value, Few few) {
  store_packed(to, bf16_words(value), few);
}

// Arithmetic.

Vec Program::binary(Op op, Vec a, const Operand& b, Vec into) {
  const Vec v = into.id >= 0 ? into : vec(lanes_of(a));
  set_operand(emit(op, v.id, a.id), b);
  return v;
}
void Program::ternary(Op op, Vec acc, Vec a, const Operand& b) {
  set_operand(emit(op, acc.id, a.id), b);
}
Vec Program::unary(Op op, Vec a, uint8_t detail) {
  const Vec v = vec(lanes_of(a));
  emit(op, v.id, a.id).detail = detail;
  return v;
}
Vec Program::shift(Op op, Vec a, int count) {
  return unary(op, a, static_cast<uint8_t>(count));
}
Vec Program::sqrt(Vec a) {
  return unary(Op::sqrt, a);
}
Vec Program::round(Vec a, Round mode) {
  return unary(Op::round, a, static_cast<uint8_t>(mode));
}
Vec Program::to_int(Vec a) {
  return unary(Op::to_int, a);
}
Vec Program::to_int_trunc(Vec a) {
  return unary(Op::to_int_trunc, a);
}
Vec Program::to_float(Vec a) {
  return unary(Op::to_float, a);
}

Vec Program::scale2(Vec a, Vec b) {
  if (avx512()) return binary(Op::scale2, a, b);
  // 2^b = 2^h * 2^(b - h) with h = b / 2: the first product is exact unless the result is far out of range anyway.
  const Vec n = to_int_trunc(b);
  const Vec h = sar(n, 1);
  const Operand bias = Operand::constant_bits(127);
  const Vec first = shl(iadd(h, bias), 23);
  const Vec second = shl(iadd(isub(n, h), bias), 23);
  return mul(mul(a, first), second);
}

// Masks.

Mask Program::compare(Vec a, Compare relation, Operand b) {
  const Mask m = mask(lanes_of(a));
  Inst& inst = emit(Op::compare, m.id, a.id);
  inst.detail = static_cast<uint8_t>(relation);
  set_operand(inst, b);
  return m;
}
Mask Program::icompare_gt(Vec a, Operand b) {
  const Mask m = mask(lanes_of(a));
  set_operand(emit(Op::icompare_gt, m.id, a.id), b);
  return m;
}
Mask Program::icompare_eq(Vec a, Operand b) {
  const Mask m = icompare_gt(a, b);
  insts_.back().op = Op::icompare_eq;
  return m;
}
Vec Program::blend(Mask mask, Operand if_true, Vec if_false) {
  const Vec v = binary(Op::blend, if_false, if_true);
  insts_.back().c = mask.id;
  return v;
}
Mask Program::mask_below(int count, int lanes) {
  if (avx512()) {
    const Gpr bits = number((int64_t{1} << count) - 1);
    const Mask m = mask(lanes);
    emit(Op::mask_from_gpr, m.id, bits.id);
    return m;
  }
  const Mask m = mask(lanes);
  emit(Op::mask_const, m.id).imm = count;
  return m;
}
Mask Program::mask_below(Gpr count, int lanes) {
  if (avx512()) {
    const Gpr bits = number(-1);
    in_place(Op::g_bzhi, bits, count);
    const Mask m = mask(lanes);
    emit(Op::mask_from_gpr, m.id, bits.id);
    return m;
  }
  const Mask m = mask(lanes);
  emit(Op::mask_below, m.id, count.id);
  return m;
}
Mask Program::mask_and(Mask a, Mask b) {
  const Mask m = mask();
  emit(Op::mask_and, m.id, a.id).b = b.id;
  return m;
}
Mask Program::mask_or(Mask a, Mask b) {
  const Mask m = mask();
  emit(Op::mask_or, m.id, a.id).b = b.id;
  return m;
}
Mask Program::mask_not(Mask a) {
  const Mask m = mask();
  emit(Op::mask_not, m.id, a.id);
  return m;
}

}  // namespace slipway::jit

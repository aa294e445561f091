#include "kernels/x64/jit/allocate.hpp"

#include <algorithm>
#include <limits>

namespace slipway::jit {

namespace {

struct Interval {
  int32_t start = std::numeric_limits<int32_t>::max();
  int32_t end = -1;
  float weight = 0;
};

struct Loop {
  int32_t begin, end;
};

// Caller-saved first (rax rcx rdx rsi rdi r8-r11), then rbx rbp r12-r15; never rsp.
constexpr std::array<int8_t, 15> kGprOrder = {0, 1, 2, 6, 7, 8, 9, 10, 11, 3, 5, 12, 13, 14, 15};
constexpr int8_t kArgsRegister = 7;
constexpr std::array<int, kFiles> kScratchCount = {3, 3, 2};

std::vector<int8_t> file_order(File file, bool avx512) {
  std::vector<int8_t> order;
  switch (file) {
    case File::gpr:
      order.assign(kGprOrder.begin(), kGprOrder.end());
      break;
    case File::vec:
      for (int8_t i = 0; i < (avx512 ? 32 : 16); ++i) order.push_back(i);
      break;
    case File::mask:
      for (int8_t i = 1; i < 8; ++i) order.push_back(i);
      break;
  }
  return order;
}

std::vector<Loop> find_loops(const Program& program) {
  std::vector<int32_t> bound(static_cast<size_t>(program.label_count()), -1);
  std::vector<Loop> loops;
  const auto& insts = program.insts();
  for (size_t i = 0; i < insts.size(); ++i) {
    const auto position = static_cast<int32_t>(i);
    if (insts[i].op == Op::bind) bound[static_cast<size_t>(insts[i].imm)] = position;
    if (insts[i].op != Op::jump && insts[i].op != Op::jump_if) continue;
    const int32_t target = bound[static_cast<size_t>(insts[i].imm)];
    if (target >= 0) loops.push_back({target, position});
  }
  return loops;  // ascending by end: inner loops first
}

std::vector<Interval> live_intervals(const Program& program) {
  const auto& insts = program.insts();
  const std::vector<Loop> loops = find_loops(program);
  std::vector<float> weight(insts.size(), 1.0F);
  for (const Loop& loop : loops) {
    for (int32_t i = loop.begin; i <= loop.end; ++i) weight[static_cast<size_t>(i)] *= 8.0F;
  }
  std::vector<Interval> live(program.registers().size());
  live[0] = {-1, -1, 0};  // the argument is there from the beginning
  for (size_t i = 0; i < insts.size(); ++i) {
    const auto at = static_cast<int32_t>(2 * i);
    const auto touch = [&](int32_t id, int32_t position) {
      if (id < 0) return;
      Interval& interval = live[static_cast<size_t>(id)];
      interval.start = std::min(interval.start, position);
      interval.end = std::max(interval.end, position);
      interval.weight += weight[i];
    };
    for (const int32_t id : reads(insts[i])) touch(id, at);
    touch(insts[i].dst, at + 1);
  }
  for (const Loop& loop : loops) {
    for (Interval& interval : live) {
      if (interval.start < 2 * loop.begin && interval.end >= 2 * loop.begin) {
        interval.end = std::max(interval.end, 2 * loop.end + 1);
      }
    }
  }
  return live;
}

struct FileState {
  std::vector<int8_t> order;
  std::array<int32_t, 32> holder{};  ///< virtual register per physical one, -1 when free
};

class Scan {
 public:
  Scan(const Program& program, const std::vector<Interval>& live, const std::array<bool, kFiles>& reserve)
      : program_(program), live_(live) {
    const size_t count = live.size();
    result_.reg.assign(count, -1);
    result_.slot.assign(count, -1);
    for (size_t f = 0; f < kFiles; ++f) {
      auto order = file_order(static_cast<File>(f), program.avx512());
      if (reserve[f]) {
        const auto tail = order.end() - kScratchCount[f];
        result_.scratch[f].assign(tail, order.end());
        order.erase(tail, order.end());
        if (static_cast<File>(f) == File::gpr) {
          for (const int8_t r : result_.scratch[f]) result_.gprs_used |= 1U << r;
        }
      }
      files_[f].order = std::move(order);
      files_[f].holder.fill(-1);
    }
  }

  Allocation run(std::array<bool, kFiles>& spilled) {
    std::vector<int32_t> by_start;
    by_start.reserve(live_.size());
    for (size_t i = 0; i < live_.size(); ++i) {
      if (live_[i].end < 0 && i != 0) continue;
      // Registers are numbered nearly in the order of their first use, so insertion is nearly linear.
      auto place = by_start.end();
      while (place != by_start.begin() && live_[static_cast<size_t>(*(place - 1))].start > live_[i].start) --place;
      by_start.insert(place, static_cast<int32_t>(i));
    }
    for (const int32_t id : by_start) place(id, spilled);
    return std::move(result_);
  }

 private:
  void place(int32_t id, std::array<bool, kFiles>& spilled) {
    const auto index = static_cast<size_t>(id);
    const File file = file_of(program_.registers()[index].cls, program_.avx512());
    FileState& state = files_[static_cast<size_t>(file)];
    if (id == 0) {
      give(state, id, kArgsRegister);
      return;
    }
    int8_t chosen = -1;
    int8_t cheapest = -1;
    float lowest = live_[index].weight;
    for (const int8_t r : state.order) {
      const int32_t holder = state.holder[static_cast<size_t>(r)];
      if (holder < 0 || live_[static_cast<size_t>(holder)].end < live_[index].start) {
        chosen = r;
        break;
      }
      if (holder != 0 && live_[static_cast<size_t>(holder)].weight < lowest) {
        lowest = live_[static_cast<size_t>(holder)].weight;
        cheapest = r;
      }
    }
    if (chosen >= 0) {
      give(state, id, chosen);
      return;
    }
    spilled[static_cast<size_t>(file)] = true;
    int32_t victim = id;
    if (cheapest >= 0) {
      victim = state.holder[static_cast<size_t>(cheapest)];
      result_.reg[static_cast<size_t>(victim)] = -1;
      give(state, id, cheapest);
    }
    result_.slot[static_cast<size_t>(victim)] = result_.stack_bytes;
    result_.stack_bytes += file == File::vec ? 64 : 8;
    ++result_.spills;
  }

  void give(FileState& state, int32_t id, int8_t r) {
    state.holder[static_cast<size_t>(r)] = id;
    result_.reg[static_cast<size_t>(id)] = r;
    if (&state == &files_[static_cast<size_t>(File::gpr)]) result_.gprs_used |= 1U << r;
  }

  const Program& program_;
  const std::vector<Interval>& live_;
  std::array<FileState, kFiles> files_;
  Allocation result_;
};

}  // namespace

File file_of(RegClass cls, bool avx512) {
  if (cls == RegClass::gpr) return File::gpr;
  return cls == RegClass::mask && avx512 ? File::mask : File::vec;
}

std::array<int32_t, 6> reads(const Inst& inst) {
  const bool updates = inst.op >= Op::fmadd231 && inst.op <= Op::dot_u8s8;
  return {inst.a, inst.b, inst.c, inst.base, inst.index, updates ? inst.dst : -1};
}

Allocation allocate(const Program& program) {
  const std::vector<Interval> live = live_intervals(program);
  std::array<bool, kFiles> spilled{};
  Allocation first = Scan(program, live, {}).run(spilled);
  if (first.spills == 0) return first;
  std::array<bool, kFiles> again{};
  return Scan(program, live, spilled).run(again);
}

}  // namespace slipway::jit

#include "engine/placement.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include "base/pages.hpp"

namespace slipway::engine {
namespace {

/// What an encoding begins with where elements have two bytes; a depth is never negative.
constexpr int64_t kTwoBytes = -2;
/// A description longer than this part of the packed form is not worth its place in the file.
constexpr size_t kLeastGain = 64;
constexpr size_t kFewNests = 64;

uint32_t load(const std::byte* from, int64_t element, size_t width) {
  uint32_t word = 0;
  std::memcpy(&word, from + element * static_cast<int64_t>(width), width);
  return word;
}

void store(std::byte* to, int64_t element, size_t width, uint32_t word) {
  std::memcpy(to + element * static_cast<int64_t>(width), &word, width);
}

/// Packs numbers in place of elements; those that two bytes do not hold go in two rounds, the lower half and the upper.
class Numbering {
 public:
  Numbering(const Tensor& constant, const tactic::Packing& packing)
      : packing_(packing),
        width_(static_cast<size_t>(bits(constant.type())) / 8),
        numbers_(allocate_pages(constant.bytes())),
        numbered_(constant.type(), constant.dims(), numbers_, numbers_.get()) {
    for (size_t half = 0; half * width_ < sizeof(uint32_t); ++half) packed_.push_back(allocate_pages(packing.bytes));
  }

  /// Element i carries the number i + 1 while it is its turn, else 0 like what fills the gaps.
  void pack(int64_t first, int64_t last) {
    auto* const number = static_cast<std::byte*>(numbers_.get());
    for (size_t half = 0; half < packed_.size(); ++half) {
      for (int64_t i = first; i < last; ++i) store(number, i, width_, static_cast<uint32_t>(i + 1) >> (8 * width_ * half % 32));
      packing_.pack(numbered_, static_cast<std::byte*>(packed_[half].get()));
    }
    const auto turn = static_cast<size_t>(last - first) * width_;
    if (last == numbered_.count()) return;
    std::memset(number + first * static_cast<int64_t>(width_), 0, turn);
    release_pages(number + first * static_cast<int64_t>(width_), turn);
  }
  uint32_t at(int64_t place) const {
    uint32_t number = 0;
    for (size_t half = 0; half < packed_.size(); ++half) {
      number |= load(static_cast<const std::byte*>(packed_[half].get()), place, width_) << (8 * width_ * half % 32);
    }
    return number;
  }

 private:
  const tactic::Packing& packing_;
  const size_t width_;
  const std::shared_ptr<void> numbers_;
  const Tensor numbered_;
  std::vector<std::shared_ptr<void>> packed_;
};

}  // namespace

/// Folds a stream of (original, packed) pairs into nests: level l joins items of one form whose places are evenly spaced.
class Placement::Folder {
 public:
  explicit Folder(size_t most_nests) : most_nests_(most_nests) {}

  void add(int64_t original, int64_t packed) { push(0, {0, original, packed}); }
  void end() {
    for (size_t level = 0; level < kMaxLoops; ++level) close(level);
  }
  /// The stream has no such form: what follows is ignored.
  bool failed() const { return failed_; }
  const std::vector<Nest>& nests() const { return nests_; }

 private:
  struct Item {
    uint32_t form;  ///< 0: one element; else forms_[form - 1]
    int64_t original, packed;
  };
  struct Form {
    uint32_t inner;
    Loop loop;
  };
  struct Open {
    Item first{}, last{};
    Loop loop{0, 0, 0};
  };

  void push(size_t level, const Item& item) {
    if (failed_) return;
    if (level == kMaxLoops) return finish(item);
    Open& open = open_[level];
    if (open.loop.count > 0 && open.first.form == item.form) {
      const int64_t original = item.original - open.last.original, packed = item.packed - open.last.packed;
      if (open.loop.count == 1) open.loop = {1, original, packed};
      if (open.loop.original == original && open.loop.packed == packed) {
        ++open.loop.count;
        open.last = item;
        return;
      }
    }
    close(level);
    open = {item, item, {1, 0, 0}};
  }

  void close(size_t level) {
    const Open open = std::exchange(open_[level], {});
    if (open.loop.count == 0) return;
    push(level + 1,
         {open.loop.count == 1 ? open.first.form : form_of(open.first.form, open.loop), open.first.original, open.first.packed});
  }

  uint32_t form_of(uint32_t inner, const Loop& loop) {
    const auto [at, fresh] = known_.try_emplace(std::tuple(inner, loop.count, loop.original, loop.packed), 0);
    if (fresh) {
      forms_.push_back({inner, loop});
      at->second = static_cast<uint32_t>(forms_.size());
      failed_ = failed_ || forms_.size() > 8 * most_nests_;
    }
    return at->second;
  }

  void finish(const Item& item) {
    Nest nest{item.original, item.packed, {}, 0};
    for (uint32_t form = item.form; form != 0; form = forms_[form - 1].inner) nest.loops[nest.depth++] = forms_[form - 1].loop;
    nests_.push_back(nest);
    failed_ = nests_.size() > most_nests_;
  }

  const size_t most_nests_;
  bool failed_ = false;
  std::array<Open, kMaxLoops> open_;
  std::vector<Form> forms_;
  std::map<std::tuple<uint32_t, int64_t, int64_t, int64_t>, uint32_t> known_;
  std::vector<Nest> nests_;
};

template <class F>
void Placement::each_run(const F& f) const {
  for (const Nest& nest : nests_) {
    if (nest.depth == 0) {
      f(nest.original, nest.packed, int64_t{1}, int64_t{0}, int64_t{0});
      continue;
    }
    const Loop& inner = nest.loops[nest.depth - 1];
    std::array<int64_t, kMaxLoops> at{};
    int64_t original = nest.original, packed = nest.packed;
    for (bool more = true; more;) {
      f(original, packed, inner.count, inner.original, inner.packed);
      more = false;
      for (size_t l = nest.depth - 1; l-- > 0 && !more;) {
        const Loop& loop = nest.loops[l];
        more = ++at[l] < loop.count;
        const int64_t steps = more ? 1 : 1 - loop.count;
        if (!more) at[l] = 0;
        original += steps * loop.original;
        packed += steps * loop.packed;
      }
    }
  }
}

std::optional<Placement> Placement::find(const Tensor& constant, const tactic::Packing& packing) {
  const size_t width = static_cast<size_t>(bits(constant.type())) / 8;
  if (width != 2 && width != 4) return std::nullopt;
  const int64_t elements = constant.count(), places = static_cast<int64_t>(packing.bytes / width);
  if (packing.bytes % width != 0 || elements == 0 || elements >= int64_t{UINT32_MAX}) return std::nullopt;
  Numbering numbering(constant, packing);
  Folder folder(kFewNests + packing.bytes / kLeastGain / sizeof(Nest));
  for (int64_t first = 0; first < elements; first += kNumbersAtOnce) {
    numbering.pack(first, std::min(elements, first + kNumbersAtOnce));
    for (int64_t p = 0; p < places; ++p) {
      const uint32_t n = numbering.at(p);
      if (n > static_cast<uint64_t>(elements)) return std::nullopt;
      if (n != 0) folder.add(int64_t{n} - 1, p);
    }
    if (folder.failed()) return std::nullopt;
  }
  folder.end();
  if (folder.failed()) return std::nullopt;
  Placement placement;
  placement.width_ = width;
  placement.nests_ = folder.nests();
  if (!placement.covers(elements)) return std::nullopt;
  return placement;
}

bool Placement::undoes(const std::byte* packed, const Tensor& constant) const {
  bool same = true;
  const auto* own = static_cast<const std::byte*>(constant.data());
  each_run([&](int64_t o, int64_t p, int64_t count, int64_t step_o, int64_t step_p) {
    for (int64_t i = 0; i < count; ++i) same = same && load(own, o + i * step_o, width_) == load(packed, p + i * step_p, width_);
  });
  return same;
}

bool Placement::covers(int64_t elements) const {
  std::vector<bool> written(static_cast<size_t>(elements), false);
  int64_t missing = elements;
  each_run([&](int64_t original, int64_t, int64_t count, int64_t step, int64_t) {
    for (int64_t i = 0; i < count; ++i) {
      std::vector<bool>::reference bit = written[static_cast<size_t>(original + i * step)];
      if (!bit) --missing;
      bit = true;
    }
  });
  return missing == 0;
}

void Placement::undo(const std::byte* packed, std::byte* original) const {
  each_run([&](int64_t o, int64_t p, int64_t count, int64_t step_o, int64_t step_p) {
    for (int64_t i = 0; i < count; ++i) {
      store(original, o + i * step_o, width_, load(packed, p + i * step_p, width_));
    }
  });
}

std::vector<int64_t> Placement::encode() const {
  std::vector<int64_t> words;
  if (width_ == 2) words.push_back(kTwoBytes);
  for (const Nest& nest : nests_) {
    words.insert(words.end(), {static_cast<int64_t>(nest.depth), nest.original, nest.packed});
    for (size_t l = 0; l < nest.depth; ++l) {
      words.insert(words.end(), {nest.loops[l].count, nest.loops[l].original, nest.loops[l].packed});
    }
  }
  return words;
}

Result<Placement> Placement::decode(std::span<const int64_t> words, size_t original_bytes, size_t packed_bytes) {
  const auto damaged = [] { return Error(ErrorCode::invalid_model, "a packed weight does not say where its elements stand"); };
  const size_t width = !words.empty() && words[0] == kTwoBytes ? 2 : 4;
  if (width == 2) words = words.subspan(1);
  const auto elements = static_cast<int64_t>(original_bytes / width), places = static_cast<int64_t>(packed_bytes / width);
  if (original_bytes % width != 0 || packed_bytes % width != 0) return damaged();
  /// The range that a start and its loops span, kept within [0, end).
  const auto widen = [](int64_t count, int64_t step, int64_t end, int64_t& low, int64_t& high) {
    int64_t reach = 0;
    if (__builtin_mul_overflow(count - 1, step, &reach) || reach <= -end || reach >= end) return false;
    (reach < 0 ? low : high) += reach;
    return low >= 0 && high < end;
  };
  Placement placement;
  placement.width_ = width;
  int64_t written = 0;  // each place is read at most once
  for (size_t at = 0; at < words.size();) {
    if (words.size() - at < 3) return damaged();
    Nest nest{words[at + 1], words[at + 2], {}, 0};
    const int64_t depth = words[at];
    at += 3;
    if (depth < 0 || depth > static_cast<int64_t>(kMaxLoops) || words.size() - at < 3 * static_cast<size_t>(depth))
      return damaged();
    if (nest.original < 0 || nest.original >= elements || nest.packed < 0 || nest.packed >= places) return damaged();
    int64_t low_o = nest.original, high_o = low_o, low_p = nest.packed, high_p = low_p, count = 1;
    for (int64_t l = 0; l < depth; ++l, at += 3) {
      const Loop loop{words[at], words[at + 1], words[at + 2]};
      if (loop.count < 1 || loop.count > places || __builtin_mul_overflow(count, loop.count, &count) || count > places)
        return damaged();
      if (!widen(loop.count, loop.original, elements, low_o, high_o) || !widen(loop.count, loop.packed, places, low_p, high_p)) {
        return damaged();
      }
      nest.loops[nest.depth++] = loop;
    }
    written += count;
    if (written > places) return damaged();
    placement.nests_.push_back(nest);
  }
  if (written < elements) return damaged();
  return placement;
}

}  // namespace slipway::engine

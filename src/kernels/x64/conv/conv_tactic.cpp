// Direct convolution on the batch-reduce microkernel: every output tile of pixels x channels is one sum over filter taps and
// blocks of input channels.
//
// Layouts: blocked16 to blocked16; or few channels of a plain input to blocked16, where a filter row of one channel is one
// stretch of k. Where the window reaches over the edge, strips of the input are copied with zeros around.
#include <algorithm>
#include <cstring>

#include "base/format.hpp"
#include "kernels/registry.hpp"
#include "kernels/x64/conv/layer.hpp"
#include "kernels/x64/conv/tiling.hpp"
#include "kernels/x64/gemm/microkernel.hpp"

namespace slipway::kernels {
namespace {

using conv::kBlock;
using conv::Window2d;
using gemm::Microkernel;
using gemm::MicrokernelArgs;
using gemm::MicrokernelSpec;
using tactic::Exec;
using tactic::Fault;
using tactic::Format;

/// Channels up to which an input that stands plain is read so.
constexpr int64_t kMostPlain = 8;
constexpr int64_t kLineBytes = 64;
/// Bytes of input that a chunk of pixel tiles may touch, so that it stays in L2 over all output channels.
constexpr int64_t kChunkBytes = 256 << 10;
/// The same of strips: as many as the weights that are read again for each, within these bounds.
constexpr int64_t kLeastStripBytes = 64 << 10, kMostStripBytes = 512 << 10;

/// Weights of more bytes come from beyond L2 and are asked for this far ahead (measured: 3 to 8 % on AVX-512, a loss on AVX2).
constexpr int64_t kPrefetchedWeights = 512 << 10;
constexpr int32_t kPrefetchBytes = 4096;

/// What this tactic adds to the layer.
struct Layer : conv::Layer {
  bool plain_input = false;
  int64_t merged = 1;  ///< groups of the model in one of `groups`, computed with zeros for the weights between them

  /// Channels side by side in the input, and how many such planes there are.
  int64_t width() const { return plain_input ? 1 : kBlock; }
  int64_t planes() const { return plain_input ? in_channels : in_blocks(); }
  int64_t pixel_bytes() const { return width() * element_bytes(); }
};

/// Groups that together are whole blocks of channels, at most this many: each costs as much as all of them.
constexpr int64_t kMostMerged = 8;

bool read_layer(const tactic::Query& query, bool merge, Layer& layer, std::string& reason) {
  if (!conv::read_layer(query, layer, reason)) return false;
  layer.plain_input = layer.groups == 1 && layer.in_channels <= kMostPlain && layer.window.w.dilation == 1 &&
                      query.inputs[0].format == Format::plain;
  const auto whole = [&](int64_t m) { return layer.group_in() * m % kBlock == 0 && layer.group_out() * m % kBlock == 0; };
  const bool fits = layer.groups == 1 || whole(1);
  if (!merge) return fits || (reason = "groups are not whole blocks of 16 channels", false);
  if (fits) return reason = "nothing to merge", false;
  while (layer.merged <= kMostMerged && (layer.groups % layer.merged != 0 || !whole(layer.merged))) ++layer.merged;
  if (layer.merged > kMostMerged) return reason = "too many groups would have to be merged", false;
  layer.groups /= layer.merged;
  return true;
}

/// The sum's order: elements of `k` steps each, then those of the partial last block of channels; offsets into the input in
/// bytes.
struct Sum {
  int64_t k = 0, rest = 0;
  std::vector<int64_t> offsets, rest_offsets;
};

class ConvKernel final : public tactic::Kernel {
 public:
  static Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, Layer layer, tactic::BuildContext& context) {
    std::unique_ptr<ConvKernel> kernel(new ConvKernel());
    TRY(kernel->prepare(query, std::move(layer), context));
    return std::unique_ptr<tactic::Kernel>(std::move(kernel));
  }

  Fault run(const Exec& exec) const noexcept override {
    auto task = [&](int thread, int threads) {
      if (thread < threads_) run_part(exec, thread, std::min(threads, threads_));
    };
    exec.team.run(task);
    return Fault::none;
  }

  std::string describe() const override {
    return fmt::format("{}x{}{}", (panels() > 1 ? whole_ : last_).tiling.most_rows(), panel_,
                       layer_.plain_input ? ", plain input" : "");
  }

 private:
  Status prepare(const tactic::Query& query, Layer layer, tactic::BuildContext& context) {
    layer_ = std::move(layer);
    const Window2d& win = layer_.window;
    threads_ = query.machine.threads;
    in_image_ = layer_.planes() * layer_.width() * win.h.in * win.w.in;
    out_image_ = layer_.out_blocks() * kBlock * layer_.out_pixels();
    // Two zmm a row, or two ymm, whose 6 rows read a panel half as often as 3 rows of four; three where these are all.
    panel_ = query.machine.isa >= Isa::avx512 && layer_.group_out() > kBlock ? 32 : 16;
    if (query.machine.isa < Isa::avx512 && conv::whole_halves(layer_.group_out()) == 24) panel_ = 24;
    if (win.has_halo()) choose_strips(query.machine.isa);
    make_sum();
    weights_ = TRY(pack_weights(context));
    if (strip_rows_ > 0) context.book_scratch(static_cast<size_t>(threads_ * strip_bytes()));
    operands_ = TRY(conv::TailOperands::make(layer_.tail, layer_.out_channels, context));
    make_chunks(query.machine.isa);
    if (panels() > 1) whole_ = TRY(make_columns(query.machine.isa, panel_));
    last_ = TRY(make_columns(query.machine.isa, last_columns()));
    return {};
  }

  int64_t weight_bytes() const { return layer_.group_in() * layer_.window.taps() * layer_.out_channels * layer_.element_bytes(); }

  /// Output rows of a strip: even, and whole tiles of short rows.
  void choose_strips(Isa isa) {
    const Window2d& win = layer_.window;
    const int64_t row_bytes = win.h.stride * win.padded_w() * layer_.planes() * layer_.pixel_bytes();
    const int64_t most = std::max<int64_t>(1, std::clamp(weight_bytes(), kLeastStripBytes, kMostStripBytes) / row_bytes);
    const int64_t strips = (win.h.out + most - 1) / most, even = (win.h.out + strips - 1) / strips;
    const int64_t joined = tiling_spec(isa, panel_).joined_rows();
    strip_rows_ = (even + joined - 1) / joined * joined;
  }
  int64_t strip_height() const {
    const ops::WindowAxis& h = layer_.window.h;
    return std::min((strip_rows_ - 1) * h.stride + h.reach(), layer_.window.padded_h());
  }
  int64_t plane_bytes() const {
    const Window2d& win = layer_.window;
    return (strip_rows_ > 0 ? strip_height() : win.h.in) * win.padded_w() * layer_.pixel_bytes();
  }
  /// Of one thread, whole cache lines.
  int64_t strip_bytes() const { return (layer_.planes() * plane_bytes() + kLineBytes - 1) / kLineBytes * kLineBytes; }

  /// Blocks of channels, filter rows, filter columns; the partial last block by itself. Of a plain input channels and filter
  /// rows.
  void make_sum() {
    const Window2d& win = layer_.window;
    const int64_t row = win.h.dilation * win.padded_w() * layer_.pixel_bytes(), plane = plane_bytes();
    if (layer_.plain_input) {
      sum_.k = win.w.kernel;
      for (int64_t c = 0; c < layer_.in_channels; ++c) {
        for (int64_t r = 0; r < win.h.kernel; ++r) sum_.offsets.push_back(c * plane + r * row);
      }
      return;
    }
    const int64_t channels = layer_.group_in(), whole = channels / kBlock;
    const auto taps_of = [&](int64_t block, std::vector<int64_t>& offsets) {
      for (int64_t r = 0; r < win.h.kernel; ++r) {
        for (int64_t c = 0; c < win.w.kernel; ++c) {
          offsets.push_back(block * plane + r * row + c * win.w.dilation * layer_.pixel_bytes());
        }
      }
    };
    for (int64_t b = 0; b < whole; ++b) taps_of(b, sum_.offsets);
    sum_.k = whole > 0 ? kBlock : channels;
    if (whole == 0) {
      taps_of(0, sum_.offsets);
    } else if (channels % kBlock != 0) {
      sum_.rest = channels % kBlock;
      taps_of(whole, sum_.rest_offsets);
    }
  }

  int64_t panels() const { return (layer_.group_out() + panel_ - 1) / panel_; }
  int last_columns() const { return static_cast<int>(conv::whole_halves(layer_.group_out()) - (panels() - 1) * panel_); }

  conv::TilingSpec tiling_spec(Isa isa, int columns) const {
    return {isa, columns, layer_.window, layer_.pixel_bytes(), strip_rows_, chunks_, layer_.product()};
  }

  /// Strips, or an even split of the pixels into chunks of input that stay in L2.
  void make_chunks(Isa isa) {
    const int64_t pixels = layer_.out_pixels(), width = layer_.window.w.out;
    const conv::TilingSpec tiling = tiling_spec(isa, panel_);
    const int64_t unit = tiling.flat() ? tiling.most_rows() : tiling.joined_rows() * width, units = (pixels + unit - 1) / unit;
    const int64_t wanted = strip_rows_ > 0 ? (pixels + strip_rows_ * width - 1) / (strip_rows_ * width)
                                           : (in_image_ * layer_.element_bytes() + kChunkBytes - 1) / kChunkBytes;
    const auto count = static_cast<int>(std::clamp<int64_t>(wanted, 1, units));
    for (int i = 0; i < count; ++i) {
      const int64_t begin = strip_rows_ > 0 ? i * strip_rows_ * width : Team::share(units, i, count).begin * unit;
      chunks_.push_back(begin);
    }
    chunks_.push_back(pixels);
  }

  /// Tiles of so many output channels and their code.
  struct Columns {
    conv::Tiling tiling;
    std::vector<std::shared_ptr<const Microkernel>> kernels;  ///< by kind

    int64_t tiles(size_t chunk) const { return tiling.first.empty() ? 0 : tiling.first[chunk + 1] - tiling.first[chunk]; }
  };

  Result<Columns> make_columns(Isa isa, int columns) const {
    Columns made;
    made.tiling = conv::Tiling::make(tiling_spec(isa, columns));
    for (const conv::Tiling::Kind& kind : made.tiling.kinds) {
      MicrokernelSpec spec;
      spec.isa = isa;
      spec.rows = kind.rows;
      spec.columns = columns;
      spec.panel_columns = panel_;
      spec.k = sum_.k;
      if (isa >= Isa::avx512 && weight_bytes() > kPrefetchedWeights) spec.prefetch = kPrefetchBytes;
      spec.rest = sum_.rest;
      spec.batched = true;
      spec.a_rows = kind.a;
      spec.product = layer_.product();
      spec.c_type = layer_.type;
      spec.c_rows = gemm::Rows::apart(static_cast<int32_t>(kBlock * layer_.element_bytes()));
      spec.c_block_columns = static_cast<int>(kBlock);
      if (!layer_.tail.program.steps.empty()) {
        spec.tail = layer_.tail.program;
        spec.operand_types = operands_.types();
      }
      made.kernels.push_back(TRY(Microkernel::make(spec)));
    }
    return made;
  }

  /// Panels of output channels, each with its elements of the batch in the order of the sum, those in steps of 4 bytes: an odd
  /// last one of bfloat16 beside zeros.
  Result<tactic::Packed> pack_weights(tactic::BuildContext& context) {
    const Layer& l = layer_;
    const int64_t groups = l.groups, out = l.group_out(), in = l.group_in(), columns = panel_, count = panels();
    const int64_t taps_h = l.window.h.kernel, taps_w = l.window.w.kernel, taps = l.window.taps();
    const int64_t together = gemm::step_elements(l.product());
    // Calls f(first index into the weights of one output channel, distance and number of those that follow in k).
    const auto each_element = [=, plain = l.plain_input](auto&& f) {
      for (int64_t block = 0; block < in; block += plain ? 1 : kBlock) {
        for (int64_t i = 0; i < (plain ? taps_h : taps); ++i) {
          plain ? f(block * taps + i * taps_w, int64_t{1}, taps_w) : f(block * taps + i, taps, std::min(in - block, kBlock));
        }
      }
    };
    int64_t steps = 0;
    each_element([&](int64_t, int64_t, int64_t k) { steps += (k + together - 1) / together; });
    panel_bytes_ = steps * panel_ * 4;
    const int64_t own_in = in / l.merged * taps, own_out = out / l.merged;
    // Visits every place of the packed form in order: f(index into the weights, or -1 where a panel or a step is filled up, and
    // between merged groups).
    const auto walk = [=](auto&& f) {
      for (int64_t panel = 0; panel < groups * count; ++panel) {
        const int64_t first = panel / count * out, begin = panel % count * columns;
        each_element([&](int64_t base, int64_t distance, int64_t k) {
          for (int64_t i = 0; i < k; i += together) {
            for (int64_t o = begin; o < begin + columns; ++o) {
              for (int64_t part = i; part < i + together; ++part) {
                const int64_t at = base + part * distance - o / own_out * own_in;
                f(o < out && part < k && at >= 0 && at < own_in ? (first + o) * own_in + at : -1);
              }
            }
          }
        });
      }
    };
    tactic::Packing packing;
    packing.recipe = l.plain_input ? fmt::format("conv_plain/{}/n{}", slipway::name(l.type), panel_)
                                   : fmt::format("conv_blocked16/{}/n{}/g{}", slipway::name(l.type), panel_, l.groups * l.merged);
    packing.bytes = static_cast<size_t>(groups * count * panel_bytes_);
    l.type == ElementType::bf16 ? set_packing<uint16_t>(packing, walk) : set_packing<float>(packing, walk);
    return context.pack(1, packing);
  }

  template <class Element, class Walk>
  static void set_packing(tactic::Packing& packing, const Walk& walk) {
    packing.pack = [walk](const Tensor& from, std::byte* to) {
      const auto* w = static_cast<const Element*>(from.data());
      auto* p = reinterpret_cast<Element*>(to);
      walk([&](int64_t i) { *p++ = i < 0 ? Element{} : w[i]; });
    };
    packing.unpack = [walk](const std::byte* from, Tensor& to) {
      auto* w = static_cast<Element*>(to.data());
      const auto* p = reinterpret_cast<const Element*>(from);
      walk([&](int64_t i) {
        if (i >= 0) w[i] = *p;
        ++p;
      });
    };
  }

  /// Every thread takes an even part of all tiles, in the order image, chunk, group, panel, tile: parts may begin and end within
  /// a panel.
  void run_part(const Exec& exec, int thread, int threads) const {
    const int64_t panels = this->panels();
    const auto last_tiles = static_cast<int64_t>(last_.tiling.tiles.size()),
               whole = static_cast<int64_t>(whole_.tiling.tiles.size());
    const Team::Range mine = Team::share(layer_.batch * layer_.groups * ((panels - 1) * whole + last_tiles), thread, threads);
    std::byte* strip = exec.scratch + (strip_rows_ > 0 ? thread * strip_bytes() : 0);
    MicrokernelArgs args;
    args.a_offsets = sum_.offsets.data();
    args.batch = static_cast<int64_t>(sum_.offsets.size());
    args.rest_offsets = sum_.rest_offsets.data();
    args.rest_batch = static_cast<int64_t>(sum_.rest_offsets.size());
    int64_t at = 0;  // tiles of all pieces before
    for (int64_t n = 0; n < layer_.batch && at < mine.end; ++n) {
      const std::byte* image = static_cast<const std::byte*>(exec.inputs[0]) + n * in_image_ * layer_.element_bytes();
      for (size_t chunk = 0; chunk + 1 < chunks_.size() && at < mine.end; ++chunk) {
        bool filled = strip_rows_ == 0;
        for (int64_t column = 0; column < layer_.groups * panels && at < mine.end; ++column) {
          const Columns& columns = column % panels + 1 == panels ? last_ : whole_;
          const int64_t count = columns.tiles(chunk), first = columns.tiling.first[chunk];
          const int64_t begin = std::max(mine.begin - at, int64_t{0}), end = std::min(mine.end - at, count);
          at += count;
          if (begin >= end) continue;
          if (!filled) fill_strip(chunk, image, strip);
          filled = true;
          run_column(exec, args, strip_rows_ > 0 ? strip : image, n, column, {first + begin, first + end});
        }
      }
    }
  }

  /// Tiles of one panel of one group.
  void run_column(const Exec& exec, MicrokernelArgs& args, const std::byte* source, int64_t n, int64_t column,
                  Team::Range tiles) const {
    const int64_t panels = this->panels(), panel = column % panels, g = column / panels, plane = layer_.out_pixels() * kBlock;
    const int64_t block = g * conv::blocks_of(layer_.group_out()) + panel * panel_ / kBlock;
    const int64_t size = layer_.element_bytes();
    const std::byte* a = source + g * (layer_.group_in() / kBlock) * plane_bytes();
    const Columns& columns = panel + 1 == panels ? last_ : whole_;
    args.b = weights_.get() + column * panel_bytes_;
    for (int64_t t = tiles.begin; t < tiles.end; ++t) {
      const conv::Tiling::Tile& tile = columns.tiling.tiles[static_cast<size_t>(t)];
      const int64_t offset = n * out_image_ + block * plane + tile.out_pixel * kBlock;
      args.a = a + tile.in_offset;
      args.c = {static_cast<std::byte*>(exec.outputs[0]) + offset * size, kBlock * size, plane * size};
      for (size_t i = 0; i < operands_.size(); ++i) {
        args.operands[i + 1] = {operands_.at(exec, i, block * kBlock, offset), kBlock * size, plane * size};
      }
      (*columns.kernels[static_cast<size_t>(tile.kind)])(args);
    }
  }

  void fill_strip(size_t chunk, const std::byte* image, std::byte* strip) const {
    const Window2d& win = layer_.window;
    const int64_t first = chunks_[chunk] / win.w.out * win.h.stride, height = strip_height();
    conv::pad_strip(win, {first, std::min(height, win.padded_h() - first), height}, layer_.planes(), layer_.pixel_bytes(), image,
                    strip);
  }

  Layer layer_;
  Sum sum_;
  std::vector<int64_t>
      chunks_;            ///< first pixel of each, and the end: their tiles are done for all output channels before the next
  Columns whole_, last_;  ///< of all panels but the last, and of the last
  conv::TailOperands operands_;
  tactic::Packed weights_;
  int panel_ = 32;                        ///< output channels of one tile
  int64_t in_image_ = 0, out_image_ = 0;  ///< elements
  int64_t panel_bytes_ = 0;
  int64_t strip_rows_ = 0;  ///< output rows of a strip of padded input; 0: the input is read in place
  int threads_ = 1;
};

template <bool kMerge>
tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, kMerge, layer, reason)) return tactic::Verdict::no(reason);
  const bool twice = layer.type == ElementType::bf16 && query.machine.isa >= Isa::avx512_bf16;
  const double image_us = layer.image_flops() / (twice ? 200e3 : 105e3);
  return conv::blocked_verdict(query, layer.tail, layer.plain_input ? Format::plain : Format::blocked16,
                               1 + image_us * static_cast<double>(layer.batch) / query.machine.threads,
                               kMerge ? fmt::format("direct, {} groups as one", layer.merged) : "direct");
}

template <bool kMerge>
Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, kMerge, layer, reason)) return Error(ErrorCode::internal, reason);
  return ConvKernel::build(query, std::move(layer), context);
}

}  // namespace

tactic::TacticList conv_tactic() {
  return {{"x64.conv_direct", Isa::avx2, {"Conv", "Group"}, judge<false>, build<false>},
          {"x64.conv_merged", Isa::avx2, {"Conv", "Group"}, judge<true>, build<true>}};
}

}  // namespace slipway::kernels

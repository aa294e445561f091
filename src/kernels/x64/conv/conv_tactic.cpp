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

  /// Channels side by side in the input, and how many such planes there are.
  int64_t width() const { return plain_input ? 1 : kBlock; }
  int64_t planes() const { return plain_input ? in_channels : in_blocks(); }
  int64_t pixel_bytes() const { return width() * 4; }
};

bool read_layer(const tactic::Query& query, Layer& layer, std::string& reason) {
  if (!conv::read_layer(query, layer, reason)) return false;
  layer.plain_input = layer.groups == 1 && layer.in_channels <= kMostPlain && layer.window.w.dilation == 1 &&
                      query.inputs[0].format == Format::plain;
  if (layer.groups > 1 && (layer.group_in() % kBlock != 0 || layer.group_out() % kBlock != 0)) {
    return reason = "groups are not whole blocks of 16 channels", false;
  }
  return true;
}

/// The sum's order: elements of `k` steps each, then those of the partial last block of channels; offsets into the input in
/// bytes.
struct Sum {
  int64_t k = 0, rest = 0;
  std::vector<int64_t> offsets, rest_offsets;
};

/// Rows (pixels) of one tile and where they begin.
struct Tile {
  int64_t in_offset = 0, out_pixel = 0;  ///< input (or strip) in bytes, output in pixels
  int kind = 0;                          ///< which kernel
};

/// Tiles that are done for all output channels before the next.
struct Chunk {
  int64_t first_tile = 0, end_tile = 0;
  int64_t first_row = 0;  ///< of outputs, where strips are used
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
    return fmt::format("{}x{}{}", tile_rows_, panel_, layer_.plain_input ? ", plain input" : "");
  }

 private:
  Status prepare(const tactic::Query& query, Layer layer, tactic::BuildContext& context) {
    layer_ = std::move(layer);
    const Window2d& win = layer_.window;
    threads_ = query.machine.threads;
    in_image_ = layer_.planes() * layer_.width() * win.h.in * win.w.in;
    out_image_ = layer_.out_blocks() * kBlock * layer_.out_pixels();
    // Two zmm a row, or two ymm, whose 6 rows read a panel half as often as 3 rows of four.
    panel_ = query.machine.isa >= Isa::avx512 && layer_.group_out() > kBlock ? 32 : 16;
    if (win.has_halo()) choose_strips(query.machine.isa);
    make_sum();
    make_tiles(query.machine.isa);
    make_chunks();
    TRY(make_kernels(query.machine.isa));
    weights_ = TRY(pack_weights(context));
    if (strip_rows_ > 0) context.book_scratch(static_cast<size_t>(threads_ * strip_floats()) * sizeof(float));
    operands_ = TRY(conv::TailOperands::make(layer_.tail, conv::pack_channels(layer_.out_channels), context));
    return {};
  }

  int64_t weight_bytes() const { return layer_.group_in() * layer_.window.taps() * layer_.out_channels * 4; }

  /// Output rows of a strip: even, and whole tiles of short rows.
  void choose_strips(Isa isa) {
    const Window2d& win = layer_.window;
    const int64_t row_bytes = win.h.stride * win.padded_w() * layer_.planes() * layer_.pixel_bytes();
    const int64_t most = std::max<int64_t>(1, std::clamp(weight_bytes(), kLeastStripBytes, kMostStripBytes) / row_bytes);
    const int64_t strips = (win.h.out + most - 1) / most, even = (win.h.out + strips - 1) / strips;
    const int64_t joined = joined_rows(isa);
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
  int64_t strip_floats() const { return layer_.planes() * plane_bytes() / 4; }

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
        for (int64_t c = 0; c < win.w.kernel; ++c) offsets.push_back(block * plane + r * row + c * win.w.dilation * kBlock * 4);
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
  int64_t in_offset_of(int64_t pixel) const {
    const Window2d& win = layer_.window;
    const int64_t row = pixel / win.w.out, ox = pixel % win.w.out, oy = strip_rows_ > 0 ? row % strip_rows_ : row;
    return (oy * win.h.stride * win.padded_w() + ox * win.w.stride) * layer_.pixel_bytes();
  }
  /// Rows of outputs in one tile: several where they are short.
  int64_t joined_rows(Isa isa) const { return std::max<int64_t>(1, gemm::max_rows(isa, panel_) / layer_.window.w.out); }

  /// Splits the output pixels into tiles of at most the registers' rows: an even split of the whole image where rows of pixels
  /// run on without a gap, else of each row; short rows are joined in one tile with a displacement for each pixel.
  void make_tiles(Isa isa) {
    const Window2d& win = layer_.window;
    const int64_t most = gemm::max_rows(isa, panel_), pixels = layer_.out_pixels();
    const bool flat = strip_rows_ == 0 && win.w.stride == 1 && win.h.stride == 1 && win.w.out == win.w.in;
    const auto split = [&](int64_t begin, int64_t count) {
      const int64_t parts = (count + most - 1) / most;
      for (int64_t i = 0; i < parts; ++i) {
        const Team::Range r = Team::share(count, static_cast<int>(i), static_cast<int>(parts));
        add_tile(begin + r.begin, r.end - r.begin, flat);
      }
    };
    if (flat) {
      split(0, pixels);
    } else if (joined_rows(isa) == 1) {
      for (int64_t y = 0; y < win.h.out; ++y) split(y * win.w.out, win.w.out);
    } else {
      const int64_t rows = joined_rows(isa);
      for (int64_t y = 0; y < win.h.out; y += rows) add_tile(y * win.w.out, std::min(rows, win.h.out - y) * win.w.out, false);
    }
  }

  /// Strips, or an even split of the tiles into chunks of input that stay in L2.
  void make_chunks() {
    const auto tiles = static_cast<int64_t>(tiles_.size());
    if (strip_rows_ == 0) {
      const int64_t tile_bytes = std::max<int64_t>(1, in_image_ * 4 / tiles),
                    most = std::max<int64_t>(1, kChunkBytes / tile_bytes);
      const auto count = static_cast<int>((tiles + most - 1) / most);
      for (int i = 0; i < count; ++i) {
        const Team::Range r = Team::share(tiles, i, count);
        chunks_.push_back({r.begin, r.end, 0});
      }
      return;
    }
    for (int64_t t = 0; t < tiles; ++t) {
      const int64_t row = tiles_[static_cast<size_t>(t)].out_pixel / layer_.window.w.out;
      if (chunks_.empty() || row >= chunks_.back().first_row + strip_rows_) chunks_.push_back({t, t, row});
      chunks_.back().end_tile = t + 1;
    }
  }

  void add_tile(int64_t pixel, int64_t rows, bool flat) {
    std::vector<int32_t> displacements;
    const int64_t base = in_offset_of(pixel);
    bool even = true;
    const int64_t step = layer_.window.w.stride * layer_.pixel_bytes();
    for (int64_t i = 0; i < rows; ++i) {
      displacements.push_back(static_cast<int32_t>((flat ? i * step : in_offset_of(pixel + i) - base)));
      even = even && displacements.back() == i * step;
    }
    const gemm::Rows a = even ? gemm::Rows::apart(static_cast<int32_t>(step)) : gemm::Rows::at(displacements);
    int kind = 0;
    for (; kind < static_cast<int>(kinds_.size()); ++kind) {
      if (kinds_[static_cast<size_t>(kind)].rows == rows && kinds_[static_cast<size_t>(kind)].a == a) break;
    }
    if (kind == static_cast<int>(kinds_.size())) kinds_.push_back({static_cast<int>(rows), a, nullptr, nullptr});
    tile_rows_ = std::max(tile_rows_, static_cast<int>(rows));
    tiles_.push_back({flat ? pixel * step : base, pixel, kind});
  }

  Status make_kernels(Isa isa) {
    for (Kind& kind : kinds_) {
      for (const bool last : {false, true}) {
        if (!last && panels() == 1) continue;
        MicrokernelSpec spec;
        spec.isa = isa;
        spec.rows = kind.rows;
        spec.columns = last ? static_cast<int>(conv::whole_halves(layer_.group_out()) - (panels() - 1) * panel_) : panel_;
        spec.panel_columns = panel_;
        spec.k = sum_.k;
        if (isa >= Isa::avx512 && weight_bytes() > kPrefetchedWeights) spec.prefetch = kPrefetchBytes;
        spec.rest = sum_.rest;
        spec.batched = true;
        spec.a_rows = kind.a;
        spec.c_rows = gemm::Rows::apart(static_cast<int32_t>(kBlock * 4));
        spec.c_block_columns = static_cast<int>(kBlock);
        if (!layer_.tail.program.steps.empty()) spec.tail = layer_.tail.program;
        (last ? kind.last : kind.whole) = TRY(Microkernel::make(spec));
      }
    }
    return {};
  }

  /// Panels of 32 output channels, each with its k-steps in the order of the sum.
  Result<tactic::Packed> pack_weights(tactic::BuildContext& context) {
    const Window2d& win = layer_.window;
    const int64_t k_total = layer_.group_in() * win.taps();
    panel_floats_ = k_total * panel_;
    const Layer& l = layer_;
    tactic::Packing packing;
    packing.recipe =
        l.plain_input ? fmt::format("conv_plain/f32/n{}", panel_) : fmt::format("conv_blocked16/f32/n{}/g{}", panel_, l.groups);
    packing.bytes = static_cast<size_t>(l.groups * panels() * panel_floats_) * sizeof(float);
    const int64_t groups = l.groups, out = l.group_out(), in = l.group_in(), taps = win.taps();
    const int64_t columns = panel_, count = panels();
    const int64_t width = l.width();
    // Visits every place of the packed form in order: f(index into the weights, or -1 where a panel is filled up).
    const auto walk = [=](auto&& f) {
      const auto step = [&](int64_t g, int64_t panel, int64_t c, int64_t tap) {
        for (int64_t o = panel * columns; o < (panel + 1) * columns; ++o) f(o < out ? ((g * out + o) * in + c) * taps + tap : -1);
      };
      for (int64_t g = 0; g < groups; ++g) {
        for (int64_t panel = 0; panel < count; ++panel) {
          for (int64_t block = 0; block < in; block += width) {
            for (int64_t tap = 0; tap < taps; ++tap) {
              for (int64_t c = block; c < std::min(in, block + width); ++c) step(g, panel, c, tap);
            }
          }
        }
      }
    };
    packing.pack = [walk](const Tensor& from, std::byte* to) {
      const auto* w = from.as<float>();
      auto* p = reinterpret_cast<float*>(to);
      walk([&](int64_t i) { *p++ = i < 0 ? 0.0f : w[i]; });
    };
    packing.unpack = [walk](const std::byte* from, Tensor& to) {
      auto* w = to.as<float>();
      const auto* p = reinterpret_cast<const float*>(from);
      walk([&](int64_t i) {
        if (i >= 0) w[i] = *p;
        ++p;
      });
    };
    return context.pack(1, packing);
  }

  /// Every thread takes an even part of all tiles of all images and panels, in the order image, chunk, group, panel, tile: parts
  /// may begin and end within a panel.
  void run_part(const Exec& exec, int thread, int threads) const {
    const auto tiles = static_cast<int64_t>(tiles_.size()), columns = layer_.groups * panels();
    const Team::Range mine = Team::share(layer_.batch * columns * tiles, thread, threads);
    auto* strip = reinterpret_cast<float*>(exec.scratch) + (strip_rows_ > 0 ? thread * strip_floats() : 0);
    MicrokernelArgs args;
    args.a_offsets = sum_.offsets.data();
    args.batch = static_cast<int64_t>(sum_.offsets.size());
    args.rest_offsets = sum_.rest_offsets.data();
    args.rest_batch = static_cast<int64_t>(sum_.rest_offsets.size());
    for (int64_t n = mine.begin / (columns * tiles); n * columns * tiles < mine.end; ++n) {
      const float* image = static_cast<const float*>(exec.inputs[0]) + n * in_image_;
      for (const Chunk& chunk : chunks_) {
        const int64_t first = (n * tiles + chunk.first_tile) * columns, length = chunk.end_tile - chunk.first_tile;
        const int64_t begin = std::max(mine.begin, first), end = std::min(mine.end, first + length * columns);
        if (begin >= end) continue;
        if (strip_rows_ > 0) fill_strip(chunk, image, strip);
        const float* source = strip_rows_ > 0 ? strip : image;
        for (int64_t column = (begin - first) / length; column * length < end - first; ++column) {
          const int64_t from = std::max(begin - first - column * length, int64_t{0});
          run_column(exec, args, source, n, column, chunk.first_tile + from,
                     chunk.first_tile + std::min(end - first - column * length, length));
        }
      }
    }
  }

  /// Tiles [first, end) of one panel of one group.
  void run_column(const Exec& exec, MicrokernelArgs& args, const float* source, int64_t n, int64_t column, int64_t first,
                  int64_t end) const {
    const int64_t panels = this->panels(), panel = column % panels, g = column / panels, plane = layer_.out_pixels() * kBlock;
    const int64_t block = g * conv::blocks_of(layer_.group_out()) + panel * panel_ / kBlock;
    const auto* a = reinterpret_cast<const std::byte*>(source) + g * (layer_.group_in() / kBlock) * plane_bytes();
    args.b = reinterpret_cast<const float*>(weights_.get()) + column * panel_floats_;
    for (int64_t t = first; t < end; ++t) {
      const Tile& tile = tiles_[static_cast<size_t>(t)];
      const int64_t offset = n * out_image_ + block * plane + tile.out_pixel * kBlock;
      args.a = a + tile.in_offset;
      args.c = {static_cast<float*>(exec.outputs[0]) + offset, kBlock * 4, plane * 4};
      for (size_t i = 0; i < operands_.size(); ++i) {
        args.operands[i + 1] = {operands_.at(exec, i, block * kBlock, offset), kBlock * 4, plane * 4};
      }
      const Kind& kind = kinds_[static_cast<size_t>(tile.kind)];
      (panel + 1 == panels ? *kind.last : *kind.whole)(args);
    }
  }

  void fill_strip(const Chunk& chunk, const float* image, float* strip) const {
    const Window2d& win = layer_.window;
    const int64_t first = chunk.first_row * win.h.stride, height = strip_height();
    conv::pad_strip(win, {first, std::min(height, win.padded_h() - first), height}, layer_.planes(), layer_.width(), image,
                    strip);
  }

  struct Kind {
    int rows;
    gemm::Rows a;
    std::shared_ptr<const Microkernel> whole, last;  ///< for all panels but the last, and the last
  };

  Layer layer_;
  Sum sum_;
  std::vector<Tile> tiles_;
  std::vector<Chunk> chunks_;
  std::vector<Kind> kinds_;
  conv::TailOperands operands_;
  tactic::Packed weights_;
  int panel_ = 32;  ///< output channels of one tile
  int64_t in_image_ = 0, out_image_ = 0, panel_floats_ = 0;
  int64_t strip_rows_ = 0;  ///< output rows of a strip of padded input; 0: the input is read in place
  int tile_rows_ = 0, threads_ = 1;
};

tactic::Verdict judge(const tactic::Query& query) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return tactic::Verdict::no(reason);
  constexpr double kFlopsPerUs = 105e3;
  const double image_us = layer.image_flops() / kFlopsPerUs;
  return conv::blocked_verdict(query, layer.tail, layer.plain_input ? Format::plain : Format::blocked16,
                               1 + image_us * static_cast<double>(layer.batch) / query.machine.threads, "direct");
}

Result<std::unique_ptr<tactic::Kernel>> build(const tactic::Query& query, const tactic::Verdict&, tactic::BuildContext& context) {
  Layer layer;
  std::string reason;
  if (!read_layer(query, layer, reason)) return Error(ErrorCode::internal, reason);
  return ConvKernel::build(query, std::move(layer), context);
}

}  // namespace

tactic::TacticList conv_tactic() {
  return {{"x64.conv_direct", Isa::avx2, {"Conv", "Group"}, judge, build}};
}

}  // namespace slipway::kernels

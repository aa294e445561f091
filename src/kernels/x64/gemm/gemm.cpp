#include "kernels/x64/gemm/gemm.hpp"

#include <algorithm>

#include "base/format.hpp"

namespace slipway::gemm {

namespace {

/// k of one pass: A's rows and a panel of B in L2 (measured: 768 to 3072 differ by 2 %, smaller blocks lose 5-20 % on AVX2).
constexpr int64_t kMaxKBlock = 1536;
/// With one row tile nothing of B is read twice: long streams are better than blocks.
constexpr int64_t kMaxKBlockOneTile = 8192;
constexpr int64_t kPageBytes = 4096;

int64_t element_size(ElementType type) {
  return type == ElementType::bf16 ? 2 : 4;
}

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

/// Panels side by side in one tile. Few rows take wide tiles, so that there are sums enough to hide the latency of a
/// multiply-add; rows a multiple of 4 KiB apart share one set of an 8-way L1, so at most 8 of them may be walked at once.
int choose_panels(const GemmSpec& s, int panel_columns) {
  const int vectors = vectors_of(s.isa, panel_columns);
  const int wanted = s.isa >= Isa::avx512 ? 28 : 12;
  const bool cliff = s.lda * element_bytes(s.product) % kPageBytes == 0;
  int panels = 1;
  for (const int more : {2, 4}) {
    const int64_t rows = std::min<int64_t>(s.m, wanted / (vectors * panels));
    const bool idle = rows * vectors * more <= wanted && s.m < wanted / (vectors * panels);
    if (idle || (cliff && rows > 8)) panels = more;
  }
  return static_cast<int>(std::min<int64_t>(panels, ceil_div(s.n, panel_columns)));
}

}  // namespace

Result<Gemm> Gemm::make(const GemmSpec& spec) {
  if (spec.isa < Isa::avx2) return fail(ErrorCode::unsupported, "jitted GEMM needs AVX2, not '{}'", slipway::name(spec.isa));
  Gemm g;
  g.spec_ = spec;
  g.shape_ = PackShape::make(spec.isa, spec.k, spec.n, spec.product);
  if (spec.m == 0 || spec.n == 0) return g;

  const int panels = choose_panels(spec, g.shape_.panel_columns);
  g.group_columns_ = panels * g.shape_.panel_columns;
  g.groups_ = ceil_div(spec.n, g.group_columns_);
  const int most = max_rows(spec.isa, static_cast<int>(std::min<int64_t>(g.group_columns_, spec.n)), spec.product);
  g.row_tiles_ = ceil_div(spec.m, most);
  g.rows_ = static_cast<int>(spec.m / g.row_tiles_);
  g.tall_tiles_ = spec.m % g.row_tiles_;
  g.block_k();
  g.block_rows(most);

  const auto last_columns = static_cast<int>(spec.n - (g.groups_ - 1) * g.group_columns_);
  for (const bool tall : {false, true}) {
    if (tall ? g.tall_tiles_ == 0 : g.tall_tiles_ == g.row_tiles_) continue;
    const int rows = g.rows_ + (tall ? 1 : 0);
    if (g.groups_ > 1) g.tiles_[tall][0] = TRY(g.make_tile(rows, g.group_columns_));
    g.tiles_[tall][1] = TRY(g.make_tile(rows, last_columns));
  }
  return g;
}

void Gemm::block_k() {
  // Partial sums wait in C, which must hold them exactly.
  const int64_t most = (row_tiles_ == 1 ? kMaxKBlockOneTile : kMaxKBlock) * step_elements(spec_.product);
  k_blocks_ = spec_.c_type == ElementType::f32 ? std::max<int64_t>(1, ceil_div(spec_.k, most)) : 1;
  k_block_ = ceil_div(ceil_div(spec_.k, k_blocks_), 4) * 4;
}

void Gemm::block_rows(int tile_rows) {
  // A's part stays in L2 beside the passing panels of B; blocks are even, so that no small rest reads all of B again.
  const int64_t row_bytes = std::max<int64_t>(k_block_, 1) * element_bytes(spec_.product);
  int64_t budget = cpu_info().l2_bytes * 5 / 8;
  // Rows a multiple of 4 KiB apart use only those sets that the width of the block covers.
  if (spec_.lda * element_bytes(spec_.product) % kPageBytes == 0) budget = budget * std::min(row_bytes, kPageBytes) / kPageBytes;
  const int64_t most = std::max<int64_t>(1, budget / (row_bytes * tile_rows));
  row_block_ = ceil_div(row_tiles_, ceil_div(row_tiles_, most));
}

Result<Gemm::Tile> Gemm::make_tile(int rows, int columns) const {
  MicrokernelSpec s;
  s.isa = spec_.isa;
  s.product = spec_.product;
  s.c_type = spec_.c_type;
  s.rows = rows;
  s.columns = columns;
  s.panel_columns = spec_.b_packed ? shape_.panel_columns : 0;
  s.accumulate = spec_.accumulate;
  Tile tile;
  if (k_blocks_ == 1) {
    s.tail = spec_.tail;
    s.operand_types = spec_.operand_types;
    tile.only = TRY(Microkernel::make(s));
    return tile;
  }
  tile.first = TRY(Microkernel::make(s));
  s.accumulate = true;
  tile.middle = TRY(Microkernel::make(s));
  s.tail = spec_.tail;
  s.operand_types = spec_.operand_types;
  tile.last = TRY(Microkernel::make(s));
  return tile;
}

int64_t Gemm::row_of(int64_t tile) const {
  return tile * rows_ + std::min(tile, tall_tiles_);
}

Gemm::Part Gemm::part(int thread, int threads) const {
  // Threads form a grid over row tiles and column groups; the most even one wins, on a tie the one that splits B (read once)
  // more.
  int best_rows = 1;
  int64_t least = row_tiles_ * ceil_div(groups_, threads);
  for (int rows = 2; rows <= threads; ++rows) {
    if (threads % rows != 0) continue;
    const int64_t worst = ceil_div(row_tiles_, rows) * ceil_div(groups_, threads / rows);
    if (worst < least) {
      least = worst;
      best_rows = rows;
    }
  }
  const Team::Range rows = Team::share(row_tiles_, thread % best_rows, best_rows);
  const Team::Range groups = Team::share(groups_, thread / best_rows, threads / best_rows);
  return {rows.begin, rows.end, groups.begin, groups.end};
}

void Gemm::run(const GemmArgs& args, Team& team) const noexcept {
  if (team.size() == 1) return run_part(args, 0, 1);
  auto task = [&](int thread, int threads) { run_part(args, thread, threads); };
  team.run(task);
}

void Gemm::run_part(const GemmArgs& args, int thread, int threads) const noexcept {
  if (row_tiles_ == 0) return;
  const Part mine = part(thread, threads);
  for (int64_t block = 0; block < k_blocks_; ++block) run_k_block(args, mine, block);
}

void Gemm::run_k_block(const GemmArgs& args, const Part& part, int64_t block) const {
  for (int64_t first = part.row_begin; first < part.row_end; first += row_block_) {
    const int64_t end = std::min(part.row_end, first + row_block_);
    for (int64_t group = part.group_begin; group < part.group_end; ++group) {
      for (int64_t tile = first; tile < end; ++tile) run_tile(args, tile, group, block);
    }
  }
}

void Gemm::run_tile(const GemmArgs& args, int64_t row_tile, int64_t group, int64_t block) const {
  const int64_t row = row_of(row_tile), column = group * group_columns_, k0 = block * k_block_;
  const Tile& tile = tiles_[row_tile < tall_tiles_][group + 1 == groups_];
  const Microkernel& kernel = *(k_blocks_ == 1           ? tile.only
                                : block == 0             ? tile.first
                                : block + 1 == k_blocks_ ? tile.last
                                                         : tile.middle);
  MicrokernelArgs m;
  const int64_t size = element_bytes(spec_.product), c_size = element_size(spec_.c_type);
  m.a = static_cast<const std::byte*>(args.a) + (row * args.lda + k0) * size;
  m.a_row_bytes = args.lda * size;
  m.k = std::min(k_block_, spec_.k - k0);
  if (spec_.b_packed) {
    const int64_t panel = column / shape_.panel_columns;
    m.b = static_cast<const std::byte*>(args.b) + (shape_.offset(panel) + k0 * shape_.panel_columns) * size;
    m.b_panel_bytes = shape_.offset(1) * size;
  } else {
    m.b = static_cast<const std::byte*>(args.b) + (k0 * args.ldb + column) * size;
    m.b_row_bytes = args.ldb * size;
  }
  m.c = {static_cast<std::byte*>(args.c) + (row * args.ldc + column) * c_size, args.ldc * c_size, 0};
  for (size_t i = 1; i < spec_.tail.operands.size(); ++i) {
    const GemmArgs::TailOperand& o = args.operands[i];
    int64_t offset = 0;
    switch (spec_.tail.operands[i]) {
      case eltwise::Spread::full:
        offset = row * o.ld + column;
        break;
      case eltwise::Spread::column:
        offset = column;
        break;
      case eltwise::Spread::row:
        offset = row;
        break;
      case eltwise::Spread::scalar:
        break;
    }
    const int64_t o_size = element_size(i < spec_.operand_types.size() ? spec_.operand_types[i] : ElementType::f32);
    m.operands[i] = {static_cast<const std::byte*>(o.data) + offset * o_size, o.ld * o_size, 0};
  }
  kernel(m);
}

std::string Gemm::describe() const {
  return fmt::format("{} {}x{}, k {} x {}", slipway::name(spec_.isa), rows_ + (tall_tiles_ > 0 ? 1 : 0), group_columns_,
                     k_blocks_, k_block_);
}

int Gemm::spill_count() const {
  int spills = 0;
  for (const auto& row : tiles_) {
    for (const Tile& tile : row) {
      for (const auto* kernel : {&tile.only, &tile.first, &tile.middle, &tile.last}) {
        if (*kernel) spills += (*kernel)->spill_count();
      }
    }
  }
  return spills;
}

}  // namespace slipway::gemm

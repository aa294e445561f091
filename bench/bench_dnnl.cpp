// Our kernels beside oneDNN's on the layers of a list (bench_layer_list makes it), taking turns on the same core:
//   bench_dnnl LIST [--only WORD] [--isa ISA] [--threads N] [--seconds S]
// Both sides run the operator with its bias in the layout they like best, weights prepared, no reorders counted. A line is the
// medians in microseconds and their ratio (above 1: ours is faster); the last lines are the summary.
#include <dnnl.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>

#include "kernel_case.hpp"
#include "layer_line.hpp"
#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/gemm.hpp"
#include "ops/layer_normalization.hpp"
#include "ops/pool.hpp"
#include "ops/sample.hpp"
#include "ops/softmax.hpp"

namespace {

using namespace slipway;
using bench::LayerLine;
using Clock = std::chrono::steady_clock;
using Tag = dnnl::memory::format_tag;
using Desc = dnnl::memory::desc;

Desc any(const dnnl::memory::dims& dims) {
  return {dims, dnnl::memory::data_type::f32, Tag::any};
}
Desc plain(const dnnl::memory::dims& dims) {
  constexpr Tag kTags[] = {Tag::a, Tag::a, Tag::ab, Tag::abc, Tag::abcd};
  return {dims, dnnl::memory::data_type::f32, kTags[dims.size()]};
}
dnnl::memory::dims list(const Dims& dims) {
  return {dims.begin(), dims.end()};
}

/// A primitive with memory for its arguments, none of it untouched.
class Peer {
 public:
  explicit Peer(Isa isa) : isa_(isa), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  void run() {
    primitive_.execute(stream_, arguments_);
    stream_.wait();
  }
  /// False: not one of the operators known here.
  bool prepare(const LayerLine& line, const Dims& out) {
    if (line.op == "Conv") return convolution(line, out);
    if (line.op == "ConvTranspose") return deconvolution(line, out);
    if (line.op == "MatMul" || line.op == "Gemm") return matmul(line, out);
    if (line.op == "MaxPool" || line.op == "AveragePool" || line.op == "GlobalAveragePool") return pool(line, out);
    if (line.op == "Softmax") return softmax(line);
    if (line.op == "LayerNormalization") return layer_norm(line);
    return false;
  }

 private:
  void add(int argument, const Desc& desc) {
    dnnl::memory memory(desc, engine_);
    auto* data = static_cast<float*>(memory.get_data_handle());
    for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i) data[i] = static_cast<float>(i % 13) / 16 - 0.4F;
    arguments_.insert({argument, memory});
  }

  /// What convolution and deconvolution share. Weights: as dnnl wants them, groups first.
  template <class Primitive, class Attrs>
  bool slide(const LayerLine& line, const Dims& out, dnnl::algorithm algorithm, bool transposed) {
    const auto& a = line.attrs.as<Attrs>();
    const Dims &x = line.inputs[0].dims, &w = line.inputs[1].dims;
    const Result<ops::Window> window = a.window(x, w);
    if (!window) return false;
    dnnl::memory::dims strides, dilations, begin, end, weights = list(w);
    for (const ops::WindowAxis& axis : *window) {
      strides.push_back(axis.stride);
      dilations.push_back(axis.dilation - 1);
      begin.push_back(axis.pad_begin);
      end.push_back(axis.pad_end);
    }
    if (transposed) std::swap(weights[0], weights[1]);
    if (a.group > 1) {
      weights[0] /= a.group;
      weights.insert(weights.begin(), a.group);
    }
    const bool bias = line.inputs.size() > 2;
    const dnnl::memory::dims bias_dims = {out[1]};
    const auto kind = dnnl::prop_kind::forward_inference;
    using Wanted = typename Primitive::desc;
    const Wanted wanted =
        bias ? Wanted(kind, algorithm, any(list(x)), any(weights), any(bias_dims), any(list(out)), strides, dilations, begin, end)
             : Wanted(kind, algorithm, any(list(x)), any(weights), any(list(out)), strides, dilations, begin, end);
    const typename Primitive::primitive_desc made(wanted, engine_);
    primitive_ = Primitive(made);
    add(DNNL_ARG_SRC, made.src_desc());
    add(DNNL_ARG_WEIGHTS, made.weights_desc());
    if (bias) add(DNNL_ARG_BIAS, made.bias_desc());
    add(DNNL_ARG_DST, made.dst_desc());
    return true;
  }
  bool convolution(const LayerLine& line, const Dims& out) {
    return slide<dnnl::convolution_forward, ops::ConvAttrs>(line, out, dnnl::algorithm::convolution_auto, false);
  }
  bool deconvolution(const LayerLine& line, const Dims& out) {
    return slide<dnnl::deconvolution_forward, ops::ConvTransposeAttrs>(line, out, dnnl::algorithm::deconvolution_direct, true);
  }

  bool matmul(const LayerLine& line, const Dims& out) {
    const Dims &a = line.inputs[0].dims, &b = line.inputs[1].dims;
    if (line.op == "Gemm" && line.attrs.as<ops::GemmAttrs>().transA) return false;
    if (b.rank() != 2 || out.rank() < 1) return false;
    const int64_t n = out.back(), k = a.back(), m = out.count() / n;
    const bool bias = line.inputs.size() > 2;
    using Matmul = dnnl::matmul;
    const Matmul::desc wanted = bias ? Matmul::desc(plain({m, k}), any({k, n}), plain({1, n}), plain({m, n}))
                                     : Matmul::desc(plain({m, k}), any({k, n}), plain({m, n}));
    const Matmul::primitive_desc made(wanted, engine_);
    primitive_ = Matmul(made);
    add(DNNL_ARG_SRC, made.src_desc());
    add(DNNL_ARG_WEIGHTS, made.weights_desc());
    if (bias) add(DNNL_ARG_BIAS, plain({1, n}));
    add(DNNL_ARG_DST, made.dst_desc());
    return true;
  }

  bool pool(const LayerLine& line, const Dims& out) {
    const Dims& x = line.inputs[0].dims;
    Result<ops::Window> window = fail(ErrorCode::unsupported, "not a pool");
    bool include_pad = false;
    if (line.op == "MaxPool") window = line.attrs.as<ops::MaxPoolAttrs>().window(x);
    if (line.op == "AveragePool") {
      window = line.attrs.as<ops::AveragePoolAttrs>().window(x);
      include_pad = line.attrs.as<ops::AveragePoolAttrs>().count_include_pad;
    }
    if (line.op == "GlobalAveragePool") {
      ops::Window whole;
      for (int i = 2; i < x.rank(); ++i) {
        whole.emplace_back();
        whole.back().kernel = x[i];
        whole.back().in = x[i];
        whole.back().out = 1;
      }
      window = whole;
    }
    if (!window) return false;
    dnnl::memory::dims strides, kernel, dilations, begin, end;
    for (const ops::WindowAxis& axis : *window) {
      strides.push_back(axis.stride);
      kernel.push_back(axis.kernel);
      dilations.push_back(axis.dilation - 1);
      begin.push_back(axis.pad_begin);
      end.push_back(std::max<int64_t>(0, (axis.out - 1) * axis.stride + axis.reach() - axis.in - axis.pad_begin));
    }
    using Pool = dnnl::pooling_v2_forward;
    const auto algorithm = line.op == "MaxPool" ? dnnl::algorithm::pooling_max
                           : include_pad        ? dnnl::algorithm::pooling_avg_include_padding
                                                : dnnl::algorithm::pooling_avg_exclude_padding;
    // A source in blocks of channels, as a network of convolutions hands it over.
    const Tag blocks = isa_ >= Isa::avx512 ? (x.rank() == 4 ? Tag::nChw16c : Tag::nCw16c)
                       : x.rank() == 4     ? Tag::nChw8c
                                           : Tag::nCw8c;
    const Desc source(list(x), dnnl::memory::data_type::f32, blocks);
    const Pool::primitive_desc made(
        {dnnl::prop_kind::forward_inference, algorithm, source, any(list(out)), strides, kernel, dilations, begin, end}, engine_);
    primitive_ = Pool(made);
    add(DNNL_ARG_SRC, made.src_desc());
    add(DNNL_ARG_DST, made.dst_desc());
    return true;
  }

  bool softmax(const LayerLine& line) {
    const Dims& x = line.inputs[0].dims;
    const int64_t axis = line.attrs.as<ops::SoftmaxAttrs>().axis;
    using Softmax = dnnl::softmax_forward;
    const Softmax::primitive_desc made(
        {dnnl::prop_kind::forward_inference, plain(list(x)), static_cast<int>(axis < 0 ? axis + x.rank() : axis)}, engine_);
    primitive_ = Softmax(made);
    add(DNNL_ARG_SRC, made.src_desc());
    add(DNNL_ARG_DST, made.dst_desc());
    return true;
  }

  bool layer_norm(const LayerLine& line) {
    const auto& a = line.attrs.as<ops::LayerNormalizationAttrs>();
    const Dims& x = line.inputs[0].dims;
    if (a.axis != -1 && a.axis != x.rank() - 1) return false;
    using Norm = dnnl::layer_normalization_forward;
    const auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift;
    const Norm::primitive_desc made({dnnl::prop_kind::forward_inference, plain(list(x)), a.epsilon, flags}, engine_);
    primitive_ = Norm(made);
    add(DNNL_ARG_SRC, made.src_desc());
    add(DNNL_ARG_SCALE, plain({x.back()}));
    add(DNNL_ARG_SHIFT, plain({x.back()}));
    add(DNNL_ARG_DST, made.dst_desc());
    return true;
  }

  Isa isa_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

struct Settings {
  std::string list, only;
  Isa isa = std::min(detected_isa(), Isa::avx512);
  int threads = 1;
  double seconds = 0.1;
};

/// One thread is timed by its own CPU time, which other programs disturb less.
double stopwatch_us(int threads) {
  timespec t{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return 1e6 * static_cast<double>(t.tv_sec) + 1e-3 * static_cast<double>(t.tv_nsec);
}

double microseconds(const std::function<void()>& work, int times, int threads) {
  const double from = stopwatch_us(threads);
  for (int i = 0; i < times; ++i) work();
  return (stopwatch_us(threads) - from) / times;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Medians of both, in turns.
std::pair<double, double> compare(const std::function<void()>& ours, const std::function<void()>& theirs,
                                  const Settings& settings) {
  constexpr double kLeastUs = 50;
  ours();
  theirs();
  const int times = static_cast<int>(
      1 + kLeastUs / std::max(0.1, std::min(microseconds(ours, 1, settings.threads), microseconds(theirs, 1, settings.threads))));
  std::vector<double> a, b;
  const auto begin = Clock::now();
  while (a.size() < 7 || std::chrono::duration<double>(Clock::now() - begin).count() < settings.seconds) {
    a.push_back(microseconds(ours, times, settings.threads));
    b.push_back(microseconds(theirs, times, settings.threads));
  }
  return {median(a), median(b)};
}

struct Outcome {
  std::string line;
  double ours, theirs;
  double ratio() const { return theirs / ours; }
};

Result<Outcome> time_layer(const std::string& text, const Settings& settings) {
  const LayerLine line = TRY(bench::parse_layer(text));
  std::vector<bench::KernelCase::Input> inputs;
  uint64_t seed = 0;
  for (const bench::LayerInput& in : line.inputs) {
    if (in.absent) return fail(ErrorCode::unsupported, "an absent input");
    inputs.push_back({ops::sample::random(ElementType::f32, in.dims, -1, 1, ++seed), in.constant});
  }
  const auto ours = TRY(
      bench::KernelCase::make(line.op, line.attrs, std::move(inputs), settings.isa, settings.threads, tactic::Format::blocked16));
  Peer peer(settings.isa);
  if (!peer.prepare(line, ours->output_dims())) return fail(ErrorCode::unsupported, "oneDNN has no such operator here");
  const auto [a, b] = compare([&] { ours->run(); }, [&] { peer.run(); }, settings);
  std::printf("%8.1f %8.1f %6.2f  %-22s %s\n", a, b, b / a, std::string(ours->tactic()).c_str(), text.c_str());
  std::fflush(stdout);
  return Outcome{text, a, b};
}

void summarise(std::vector<Outcome> all) {
  if (all.empty()) return;
  double logs = 0;
  int ahead = 0, far_behind = 0;
  for (const Outcome& o : all) {
    logs += std::log(o.ratio());
    ahead += o.ratio() >= 1 ? 1 : 0;
    far_behind += o.ratio() < 0.9 ? 1 : 0;
  }
  const auto count = static_cast<double>(all.size());
  std::printf("\n%zu layers: %.1f %% at oneDNN's speed or above, %d below 0.9, geometric mean %.2f\n", all.size(),
              100 * ahead / count, far_behind, std::exp(logs / count));
  std::sort(all.begin(), all.end(), [](const Outcome& a, const Outcome& b) { return a.ratio() < b.ratio(); });
  for (size_t i = 0; i < std::min<size_t>(all.size(), 10) && all[i].ratio() < 1; ++i)
    std::printf("  %5.2f  %s\n", all[i].ratio(), all[i].line.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool more = i + 1 < argc;
    if (word == "--only" && more) {
      settings.only = argv[++i];
    } else if (word == "--isa" && more) {
      settings.isa = parse_isa(argv[++i]).value_or(settings.isa);
    } else if (word == "--threads" && more) {
      settings.threads = std::max(1, std::atoi(argv[++i]));
    } else if (word == "--seconds" && more) {
      settings.seconds = std::atof(argv[++i]);
    } else {
      settings.list = word;
    }
  }
  std::ifstream file(settings.list);
  if (!file) {
    std::fprintf(stderr, "usage: bench_dnnl LIST [--only WORD] [--isa ISA] [--threads N] [--seconds S]\n");
    return 2;
  }
  if (std::getenv("OMP_NUM_THREADS") == nullptr) {  // read when oneDNN's runtime starts, before main
    setenv("OMP_NUM_THREADS", std::to_string(settings.threads).c_str(), 1);
    execv("/proc/self/exe", argv);
  }
  if (settings.isa == Isa::avx2) dnnl::set_max_cpu_isa(dnnl::cpu_isa::avx2);
  std::printf("    ours   oneDNN  ratio  tactic                 layer\n");
  std::vector<Outcome> all;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#' || line.find(settings.only) == std::string::npos) continue;
    try {
      Result<Outcome> timed = time_layer(line.substr(0, line.find(" #")), settings);
      if (timed) {
        all.push_back(std::move(timed).value());
      } else {
        std::printf("                          left out: %s: %s\n", line.c_str(), timed.error().message.c_str());
      }
    } catch (const dnnl::error& error) {
      std::printf("                          left out: %s: oneDNN: %s\n", line.c_str(), error.what());
    }
  }
  summarise(std::move(all));
  return 0;
}

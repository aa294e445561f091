// WordConvEmbedding (com.microsoft): words as vectors, made of their characters' vectors by a convolution and its maximum.
#include <algorithm>
#include <cmath>

#include "ops/moves.hpp"
#include "ops/sample.hpp"

namespace slipway::ops {
namespace {

/// Inputs: characters [words, length] (0 or less: none), weights [F, 1, window, E], bias [F], vectors of characters [count, E].
struct WordConvAttrs {
  std::optional<int64_t> embedding_size, conv_window_size, char_embedding_size;  ///< F, window and E, where given
  bool operator==(const WordConvAttrs&) const = default;
  static constexpr auto fields() {
    using A = WordConvAttrs;
    return std::tuple{field("embedding_size", &A::embedding_size), field("conv_window_size", &A::conv_window_size),
                      field("char_embedding_size", &A::char_embedding_size)};
  }
};

Status said(std::string_view what, std::optional<int64_t> attribute, Dim actual) {
  if (!attribute || *attribute == -1 || !actual.known() || *attribute == actual.value()) return {};
  return fail(ErrorCode::invalid_model, "{} is {}, the weights say {}", what, *attribute, actual.value());
}

Status infer(InferContext& c) {
  const auto& a = c.attrs<WordConvAttrs>();
  const Shape *x = c.shape(0), *w = c.shape(1), *bias = c.shape(2), *table = c.shape(3);
  if ((x != nullptr && x->size() != 2) || (w != nullptr && w->size() != 4) || (bias != nullptr && bias->size() != 1) ||
      (table != nullptr && table->size() != 2))
    return Error(ErrorCode::invalid_model, "the inputs must have 2, 4, 1 and 2 axes");
  if (w != nullptr) {
    TRY(said("embedding_size", a.embedding_size, (*w)[0]));
    TRY(said("conv_window_size", a.conv_window_size, (*w)[2]));
    TRY(said("char_embedding_size", a.char_embedding_size, (*w)[3]));
    TRY(same_extent(Dim(1), (*w)[1], 1));
    if (bias != nullptr) TRY(same_extent((*w)[0], (*bias)[0], 0));
    if (table != nullptr) TRY(same_extent((*w)[3], (*table)[1], 1));
    if (x != nullptr && (*x)[1].known() && (*w)[2].known() && ((*w)[2].value() < 1 || (*x)[1].value() < (*w)[2].value()))
      return fail(ErrorCode::invalid_model, "words of {} characters are shorter than the window", (*x)[1].value());
  }
  c.set(0, c.type(1), Shape{x != nullptr ? (*x)[0] : Dim::unknown(), w != nullptr ? (*w)[0] : Dim::unknown()});
  return {};
}

Status run(RefContext& c) {
  const Dims dims = TRY(actual_dims(c)), wd = c.in(1).dims();
  const int64_t length = c.in(0).dims()[1], filters = wd[0], window = wd[2], size = wd[3], known = c.in(3).dims()[0];
  const std::vector<int64_t> letters = c.ints(0);
  const std::vector<double> w = c.doubles(1), bias = c.doubles(2), table = c.doubles(3);
  std::vector<double> y(static_cast<size_t>(dims.count()));
  for (int64_t word = 0; word < dims[0]; ++word) {
    const int64_t* at = letters.data() + word * length;
    if (length == 0 || at[0] <= 0) continue;  // no word: zeros
    const int64_t written = std::count_if(at, at + length, [](int64_t letter) { return letter > 0; });
    const int64_t used = std::max(written, window);
    for (int64_t i = 0; i < used; ++i) {
      if (at[i] < 0 || at[i] >= known) return index_fault(at[i], known, 0);
    }
    for (int64_t f = 0; f < filters; ++f) {
      double most = -1e12;
      for (int64_t start = 0; start + window <= used; ++start) {
        double sum = bias[static_cast<size_t>(f)];
        for (int64_t k = 0; k < window * size; ++k) {
          sum +=
              w[static_cast<size_t>(f * window * size + k)] * table[static_cast<size_t>(at[start + k / size] * size + k % size)];
        }
        most = std::max(most, std::tanh(sum));
      }
      y[static_cast<size_t>(word * filters + f)] = most;
    }
  }
  c.set_doubles(0, c.in(1).type(), dims, y);
  return {};
}

std::vector<Sample> samples() {
  const Tensor words = sample::numbers(E::i32, {3, 5}, {1, 2, 3, 0, 0, 4, 0, 0, 0, 0, 0, 1, 1, 1, 1});
  return {{"three_words",
           WordConvAttrs{.conv_window_size = 2},
           {{words}, {sample::noise({4, 1, 2, 3})}, {sample::noise({4}, 2)}, {sample::noise({5, 3}, 3)}}}};
}

}  // namespace

OpFamily word_conv_embedding() {
  return {Op("WordConvEmbedding", {1}, "com.microsoft")
              .attrs<WordConvAttrs>()
              .in("Sequence", types(E::i32), 'I')
              .in("W", types(E::f32))
              .in("B", types(E::f32))
              .in("C", types(E::f32))
              .out("Y", types(E::f32))
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("Words as vectors, by a convolution over the vectors of their characters.")};
}

}  // namespace slipway::ops

// Einsum: products of tensors, summed over the axes that the output does not name.
#include "ops/einsum.hpp"

#include <algorithm>
#include <map>

#include "ops/op.hpp"
#include "ops/reference.hpp"
#include "ops/sample.hpp"
#include "ops/sums.hpp"

namespace slipway::ops {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// One term with its ellipsis written as '.'.
Result<std::string> read_term(std::string_view text) {
  std::string term;
  for (size_t i = 0; i < text.size(); ++i) {
    if (is_letter(text[i])) {
      term += text[i];
    } else if (text.substr(i, 3) == "..." && term.find('.') == std::string::npos) {
      term += '.';
      i += 2;
    } else {
      return fail(ErrorCode::invalid_model, "the term '{}' of the equation has something else than letters and one ellipsis",
                  text);
    }
  }
  return term;
}

std::string with_ellipsis(const std::string& term, size_t axes) {
  std::string out;
  for (const char c : term) {
    if (c != '.') {
      out += c;
    } else {
      for (size_t i = 0; i < axes; ++i) out += static_cast<char>('0' + i);
    }
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char by) {
  std::vector<std::string_view> out;
  for (size_t at = text.find(by); at != std::string_view::npos; at = text.find(by)) {
    out.push_back(text.substr(0, at));
    text.remove_prefix(at + 1);
  }
  out.push_back(text);
  return out;
}

/// The extent of every label; an extent of 1 gives way to a larger one.
template <class D, class Known>
Result<std::map<char, D>> label_extents(const EinsumTerms& terms, const std::vector<std::vector<D>>& shapes, Known&& known) {
  std::map<char, D> out;
  for (size_t i = 0; i < shapes.size(); ++i) {
    for (size_t k = 0; k < shapes[i].size(); ++k) {
      const char label = terms.inputs[i][k];
      const D extent = shapes[i][k];
      const auto [at, added] = out.emplace(label, extent);
      if (added || at->second == extent) continue;
      if (at->second == D(1)) {
        at->second = extent;
      } else if (known(at->second) && known(extent) && extent != D(1)) {
        return fail(ErrorCode::invalid_model, "the axes labelled '{}' have different extents", label);
      } else if (known(extent) && extent != D(1)) {
        at->second = extent;
      }
    }
  }
  return out;
}

Status infer(InferContext& c) {
  c.set(0, c.type(0));
  std::vector<size_t> ranks;
  std::vector<Shape> shapes;
  for (size_t i = 0; i < c.input_count(); ++i) {
    if (c.shape(i) == nullptr) return {};
    shapes.push_back(*c.shape(i));
    ranks.push_back(shapes.back().size());
  }
  const EinsumTerms terms = TRY(read_equation(c.attrs<EinsumAttrs>().equation, ranks));
  const auto extents = TRY(label_extents(terms, shapes, [](Dim d) { return d.known(); }));
  Shape y;
  for (const char label : terms.output) y.push_back(extents.at(label));
  c.set(0, c.type(0), std::move(y));
  return {};
}

/// Strides by which each operand moves along each label of `order`; repeated labels add up (a diagonal).
std::vector<Dims> label_strides(const EinsumTerms& terms, const std::vector<Dims>& dims, const std::string& order) {
  std::vector<Dims> out;
  for (size_t i = 0; i < dims.size(); ++i) {
    const Dims own = dims[i].strides();
    Dims steps = Dims::of_rank(static_cast<int>(order.size()), 0);
    for (int k = 0; k < dims[i].rank(); ++k) {
      if (dims[i][k] != 1) steps[static_cast<int>(order.find(terms.inputs[i][static_cast<size_t>(k)]))] += own[k];
    }
    out.push_back(steps);
  }
  return out;
}

Status run(RefContext& c) {
  std::vector<size_t> ranks;
  std::vector<Dims> dims;
  std::vector<std::vector<int64_t>> shapes;
  for (size_t i = 0; i < c.input_count(); ++i) {
    dims.push_back(c.in(i).dims());
    shapes.emplace_back(dims.back().begin(), dims.back().end());
    ranks.push_back(shapes.back().size());
  }
  const EinsumTerms terms = TRY(read_equation(c.attrs<EinsumAttrs>().equation, ranks));
  const std::map<char, int64_t> extents = TRY(label_extents(terms, shapes, [](int64_t) { return true; }));
  std::string order = terms.output;
  for (const auto& [label, extent] : extents) {
    if (order.find(label) == std::string::npos) order += label;
  }
  if (order.size() > static_cast<size_t>(kMaxRank)) {
    return fail(ErrorCode::limit, "the equation has {} labels; {} can be computed", order.size(), kMaxRank);
  }
  Dims space, yd;
  for (const char label : order) space.push_back(extents.at(label));
  for (size_t k = 0; k < terms.output.size(); ++k) yd.push_back(space[static_cast<int>(k)]);
  const int64_t summed = space.count(yd.rank(), space.rank());
  const std::vector<Dims> steps = label_strides(terms, dims, order);
  Tensor y = c.out(0, c.in(0).type(), yd);
  in_sum_domain(y.type(), [&]<class T>(T) {
    std::vector<int64_t> at(dims.size());
    Dims index = Dims::of_rank(space.rank(), 0);
    for (int64_t o = 0; o < yd.count(); ++o) {
      T sum{};
      for (int64_t k = 0; k < summed; ++k) {
        T product{1};
        for (size_t i = 0; i < dims.size(); ++i) product *= load<T>(c.in(i), at[i]);
        sum += product;
        for (int axis = space.rank() - 1; axis >= 0; --axis) {
          for (size_t i = 0; i < at.size(); ++i) at[i] += steps[i][axis];
          if (++index[axis] < space[axis]) break;
          for (size_t i = 0; i < at.size(); ++i) at[i] -= steps[i][axis] * space[axis];
          index[axis] = 0;
        }
      }
      store<T>(y, o, sum);
    }
  });
  return {};
}

std::vector<Sample> samples() {
  const auto make = [](std::string label, std::string equation, std::initializer_list<Dims> shapes, ElementType type = E::f32) {
    Sample s{std::move(label), EinsumAttrs{std::move(equation)}, {}};
    for (const Dims& d : shapes) s.inputs.push_back({sample::noise(type, d, s.inputs.size() + 1)});
    return s;
  };
  return {make("matmul", "ij,jk->ik", {{3, 17}, {17, 5}}),
          make("batched", "bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}}),
          make("attention", "bhid,bhjd->bhij", {{1, 2, 5, 8}, {1, 2, 7, 8}}),
          make("transpose", "abc->cab", {{2, 3, 4}}),
          make("sum", "ij->i", {{3, 24}}),
          make("diagonal", "...ii->...i", {{2, 5, 5}}),
          make("implicit", "ba,ac", {{3, 4}, {4, 2}}),
          make("ellipsis", "...ij, ...jk -> ...ik", {{2, 3, 4}, {1, 4, 5}}),
          make("scalar", "i,i->", {{17}, {17}}),
          make("three", "ij,jk,kl->il", {{2, 3}, {3, 4}, {4, 5}}),
          make("outer", "i,j->ij", {{3}, {4}}),
          make("f64", "ij,jk->ik", {{2, 3}, {3, 2}}, E::f64),
          make("i64", "ij,jk->ik", {{2, 3}, {3, 2}}, E::i64)};
}

}  // namespace

Result<EinsumTerms> read_equation(const std::string& equation, const std::vector<size_t>& ranks) {
  std::string text = equation;
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const size_t arrow = text.find("->");
  const std::vector<std::string_view> sides = split(std::string_view(text).substr(0, arrow), ',');
  if (sides.size() != ranks.size()) {
    return fail(ErrorCode::invalid_model, "the equation '{}' has {} terms where {} inputs are", equation, sides.size(),
                ranks.size());
  }
  EinsumTerms out;
  size_t ellipsis = 0;
  bool has_ellipsis = false;
  std::map<char, int> seen;
  std::vector<size_t> widths;
  for (size_t i = 0; i < sides.size(); ++i) {
    const std::string term = TRY(read_term(sides[i]));
    const bool dots = term.find('.') != std::string::npos;
    const size_t letters = term.size() - (dots ? 1 : 0);
    if (dots ? letters > ranks[i] : letters != ranks[i]) {
      return fail(ErrorCode::invalid_model, "the term '{}' does not fit an input of rank {}", sides[i], ranks[i]);
    }
    widths.push_back(dots ? ranks[i] - letters : 0);
    if (dots) ellipsis = std::max(ellipsis, widths.back());
    has_ellipsis = has_ellipsis || dots;
    for (const char c : term) seen[c] += c == '.' ? 0 : 1;
    out.inputs.push_back(term);
  }
  for (size_t i = 0; i < out.inputs.size(); ++i) {  // a shorter ellipsis stands for the last axes of a longer one
    std::string full = with_ellipsis(out.inputs[i], ellipsis);
    if (out.inputs[i].find('.') != std::string::npos) full.erase(out.inputs[i].find('.'), ellipsis - widths[i]);
    out.inputs[i] = std::move(full);
  }
  std::string output;
  if (arrow != std::string::npos) {
    output = TRY(read_term(std::string_view(text).substr(arrow + 2)));
  } else {
    if (has_ellipsis) output += '.';
    for (const auto& [label, count] : seen) {
      if (label != '.' && count == 1) output += label;
    }
  }
  for (const char c : output) {
    if ((c == '.' && !has_ellipsis) || (c != '.' && seen.count(c) == 0)) {
      return fail(ErrorCode::invalid_model, "the output of the equation '{}' names '{}', which no input has", equation, c);
    }
    if (std::count(output.begin(), output.end(), c) > 1) {
      return fail(ErrorCode::invalid_model, "the output of the equation '{}' names '{}' twice", equation, c);
    }
  }
  out.output = with_ellipsis(output, ellipsis);
  return out;
}

OpFamily einsum() {
  return {Op("Einsum", {12, 28})
              .attrs<EinsumAttrs>()
              .in_list("Inputs", kNumeric)
              .out("Output")
              .infer(infer)
              .reference(run)
              .samples(samples)
              .tolerance(Tolerance::rounding)
              .doc("Products of tensors summed as an equation says")};
}

}  // namespace slipway::ops

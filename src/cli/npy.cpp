// NumPy's .npy files.
#include <algorithm>
#include <cstring>
#include <fstream>

#include "base/format.hpp"
#include "base/mapped_file.hpp"
#include "cli/inputs.hpp"

namespace slipway::cli {
namespace {

constexpr size_t kMaxHeader = 1 << 16;
constexpr int64_t kMaxElements = int64_t{1} << 40;

struct Descr {
  std::string_view text;
  ElementType type;
};
constexpr Descr kDescrs[] = {
    {"<f4", ElementType::f32}, {"<f8", ElementType::f64},   {"<f2", ElementType::f16},  {"<i8", ElementType::i64},
    {"<i4", ElementType::i32}, {"<i2", ElementType::i16},   {"|i1", ElementType::i8},   {"<u8", ElementType::u64},
    {"<u4", ElementType::u32}, {"<u2", ElementType::u16},   {"|u1", ElementType::u8},   {"|b1", ElementType::boolean},
    {"<c8", ElementType::c64}, {"<c16", ElementType::c128}, {"<V2", ElementType::bf16},
};

/// The text after 'key': in the header dictionary.
std::string_view field(std::string_view header, std::string_view key) {
  const size_t at = header.find(key);
  if (at == std::string_view::npos) return {};
  const size_t colon = header.find(':', at);
  if (colon == std::string_view::npos) return {};
  const size_t start = header.find_first_not_of(' ', colon + 1);
  return start == std::string_view::npos ? std::string_view() : header.substr(start);
}

}  // namespace

Result<Tensor> read_npy(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(ErrorCode::io, "{}: cannot be opened: {}", path, std::strerror(errno));
  char magic[8];
  if (!in.read(magic, 8) || std::memcmp(magic, "\x93NUMPY", 6) != 0) {
    return fail(ErrorCode::invalid_argument, "{}: not a .npy file", path);
  }
  uint32_t length = 0;
  in.read(reinterpret_cast<char*>(&length), magic[6] == 1 ? 2 : 4);
  if (!in || length > kMaxHeader) return fail(ErrorCode::invalid_argument, "{}: the .npy header is damaged", path);
  std::string header(length, '\0');
  if (!in.read(header.data(), length)) return fail(ErrorCode::invalid_argument, "{}: the .npy header is cut short", path);

  const std::string_view descr = field(header, "'descr'");
  if (descr.size() < 2) return fail(ErrorCode::invalid_argument, "{}: the .npy header names no element type", path);
  const std::string_view word = descr.substr(1, descr.find(descr[0], 1) - 1);
  ElementType type = ElementType::undefined;
  for (const Descr& d : kDescrs) {
    if (d.text == word) type = d.type;
  }
  if (type == ElementType::undefined) {
    return fail(ErrorCode::unsupported, "{}: element type '{}' is not one that slipway reads from .npy", path, word);
  }
  if (field(header, "'fortran_order'").substr(0, 4) == "True") {
    return fail(ErrorCode::unsupported, "{}: the array is in Fortran order; save it with numpy.ascontiguousarray", path);
  }
  const std::string_view shape = field(header, "'shape'");
  std::vector<int64_t> extents;
  for (size_t i = 1; i < shape.size() && shape[i] != ')';) {
    if (shape[i] < '0' || shape[i] > '9') {
      ++i;
      continue;
    }
    int64_t value = 0;
    for (; i < shape.size() && shape[i] >= '0' && shape[i] <= '9' && value <= kMaxElements; ++i)
      value = value * 10 + (shape[i] - '0');
    extents.push_back(value);
  }
  if (extents.size() > kMaxRank || checked_count(extents, kMaxElements) < 0) {
    return fail(ErrorCode::limit, "{}: the array's shape is beyond {} axes or {} elements", path, kMaxRank, kMaxElements);
  }
  const Dims dims{std::span<const int64_t>(extents)};
  const auto start = in.tellg();
  in.seekg(0, std::ios::end);
  if (static_cast<size_t>(in.tellg() - start) < byte_size(type, dims.count())) {
    return fail(ErrorCode::invalid_argument, "{}: holds fewer bytes than its shape {} needs", path, to_string(dims));
  }
  in.seekg(start);
  Tensor out(type, dims);
  in.read(static_cast<char*>(out.data()), static_cast<std::streamsize>(out.bytes()));
  if (!in && out.bytes() != 0) return fail(ErrorCode::io, "{}: cannot be read to its end", path);
  return out;
}

bool npy_holds(ElementType type) {
  return std::any_of(std::begin(kDescrs), std::end(kDescrs), [&](const Descr& d) { return d.type == type; });
}

Status write_npy(const std::string& path, const Tensor& tensor) {
  std::string_view descr;
  for (const Descr& d : kDescrs) {
    if (d.type == tensor.type()) descr = d.text;
  }
  if (descr.empty()) return fail(ErrorCode::unsupported, "{}: .npy has no element type for {}", path, name(tensor.type()));
  std::string shape = "(";
  for (int64_t d : tensor.dims()) shape += std::to_string(d) + ",";
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}), }}", descr, shape);
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::ofstream out(path, std::ios::binary);
  const auto length = static_cast<uint16_t>(header.size());
  out.write("\x93NUMPY\x01\x00", 8);
  out.write(reinterpret_cast<const char*>(&length), 2);
  out << header;
  out.write(static_cast<const char*>(tensor.data()), static_cast<std::streamsize>(tensor.bytes()));
  out.close();
  if (!out) return fail(ErrorCode::io, "{}: cannot be written: {}", path, std::strerror(errno));
  return {};
}

}  // namespace slipway::cli

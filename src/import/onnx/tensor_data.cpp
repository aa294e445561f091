#include "import/onnx/tensor_data.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/pages.hpp"
#include "import/onnx/limits.hpp"
#include "import/onnx/proto.hpp"

namespace slipway::import::onnx {
namespace {

enum Tag : uint32_t {
  kDims = 1,
  kDataType = 2,
  kSegment = 3,
  kFloatData = 4,
  kInt32Data = 5,
  kStringData = 6,
  kInt64Data = 7,
  kRawData = 9,
  kDoubleData = 10,
  kUint64Data = 11,
  kExternalData = 13,
  kDataLocation = 14
};

struct Header {
  Dims dims;
  ElementType type = ElementType::undefined;
  int64_t count = 0;
  size_t bytes = 0;
  std::optional<Text> raw;
  bool external = false;
  std::vector<StringEntry> external_data;
};

Result<Dims> checked_dims(std::span<const int64_t> extents, ElementType type) {
  if (extents.size() > static_cast<size_t>(kMaxRank)) {
    return fail(ErrorCode::limit, "it has {} dimensions; the limit is {}", extents.size(), kMaxRank);
  }
  const int64_t count = checked_count(extents, kMaxTensorElements);
  if (count < 0 || byte_size(type, count) > kMaxTensorBytes) {
    return Error(ErrorCode::invalid_model, "its extents are negative or their product is beyond every limit");
  }
  return Dims(extents);
}

Result<Header> read_header(Text message) {
  Header h;
  std::vector<int64_t> extents;
  int64_t type = 0;
  Fields in(message);
  while (in.next()) {
    switch (in.tag()) {
      case kDims:
        in.integers([&](int64_t extent) {
          if (extents.size() <= static_cast<size_t>(kMaxRank)) extents.push_back(extent);
        });
        break;
      case kDataType:
        type = in.integer();
        break;
      case kSegment:
        return Error(ErrorCode::unsupported, "it is stored in segments, which slipway does not read");
      case kRawData:
        h.raw = in.bytes();
        break;
      case kDataLocation:
        h.external = in.integer() == 1;
        break;
      case kExternalData: {
        StringEntry& entry = h.external_data.emplace_back();
        Fields pair(in.bytes());
        while (pair.next()) {
          if (pair.tag() == 1) entry.first = pair.bytes();
          if (pair.tag() == 2) entry.second = pair.bytes();
        }
        break;
      }
      default:
        break;
    }
  }
  if (type <= 0 || type >= kElementTypeCount) {
    return fail(ErrorCode::unsupported, "its element type {} is not one that slipway knows", type);
  }
  h.type = static_cast<ElementType>(type);
  h.dims = TRY(checked_dims(extents, h.type));
  h.count = h.dims.count();
  h.bytes = byte_size(h.type, h.count);
  return h;
}

size_t alignment_of(ElementType type) {
  return static_cast<size_t>(std::clamp(bits(type) / 8, 1, 8));
}

/// A view of `data` when kernels may read it in place, else an aligned copy. Bytes of bool tensors are made 0 or 1.
Tensor adopt(const Header& h, Text data, const std::shared_ptr<const void>& owner, bool disposable = false) {
  const bool aligned = reinterpret_cast<uintptr_t>(data.data()) % alignment_of(h.type) == 0;
  const bool clean =
      h.type != ElementType::boolean || std::all_of(data.begin(), data.end(), [](char c) { return c == 0 || c == 1; });
  if (aligned && clean && owner != nullptr && !data.empty()) return Tensor(h.type, h.dims, owner, data.data());
  constexpr size_t kPiece = size_t{4} << 20;  // so that copy and copied never fill memory at one time
  const std::shared_ptr<void> memory = allocate(data.size(), false);
  Tensor t(h.type, h.dims, memory, memory.get());
  for (size_t at = 0; at < data.size(); at += kPiece) {
    const Text piece = data.substr(at, kPiece);
    std::memcpy(t.as<char>() + at, piece.data(), piece.size());
    if (disposable) release_pages(piece.data(), piece.size());
  }
  if (!clean) {
    for (auto* b = t.as<uint8_t>(); b != t.as<uint8_t>() + data.size(); ++b) *b = *b != 0;
  }
  return t;
}

Error wrong_count(const Header& h, int64_t found) {
  return fail(ErrorCode::invalid_model, "it holds {} values where its type {} and shape {} take {}", found, name(h.type),
              to_string(h.dims), h.count);
}

Result<Tensor> strings(const Header& h, Text message) {
  int64_t found = 0;
  Fields in(message);
  while (in.next()) found += in.tag() == kStringData;
  if (found != h.count) return wrong_count(h, found);
  Tensor t(h.type, h.dims);
  auto* out = t.as<std::string>();
  Fields again(message);
  while (again.next()) {
    if (again.tag() != kStringData) continue;
    const Text text = again.bytes();
    if (text.size() > kMaxStringBytes)
      return fail(ErrorCode::limit, "a string of {} bytes is beyond the limit of {}", text.size(), kMaxStringBytes);
    *out++ = text;
  }
  return t;
}

/// The values of fixed width in `tag`, which are the tensor's bytes, in one piece or many.
Result<Tensor> fixed(const Header& h, Text message, Tag tag, const std::shared_ptr<const void>& owner) {
  std::vector<Text> pieces;
  std::string singles;
  size_t total = 0;
  Fields in(message);
  while (in.next()) {
    if (in.tag() != tag) continue;
    if (in.is_bytes()) {
      pieces.push_back(in.bytes());
      total += pieces.back().size();
    } else if (tag == kFloatData) {
      const float v = in.f32();
      singles.append(reinterpret_cast<const char*>(&v), sizeof v);
    } else {
      const double v = in.f64();
      singles.append(reinterpret_cast<const char*>(&v), sizeof v);
    }
  }
  total += singles.size();
  const size_t width = tag == kFloatData ? sizeof(float) : sizeof(double);
  if (total != h.bytes) return wrong_count(h, static_cast<int64_t>(total / width * width * 8) / std::max(bits(h.type), 1));
  if (pieces.size() == 1 && singles.empty()) return adopt(h, pieces[0], owner);
  if (!singles.empty()) pieces.push_back(singles);
  Tensor t(h.type, h.dims);
  auto* out = t.as<char>();
  for (Text piece : pieces) {
    if (!piece.empty()) std::memcpy(out, piece.data(), piece.size());
    out += piece.size();
  }
  return t;
}

/// Varint-coded values. `width` is how many bytes of the tensor one of them fills (packed 2- and 4-bit types: one byte).
Result<Tensor> varints(const Header& h, Text message, Tag tag) {
  const size_t width = static_cast<size_t>(std::max(bits(h.type), 8)) / 8;
  size_t found = 0;
  Fields in(message);
  while (in.next()) {
    if (in.tag() == tag) in.integers([&](int64_t) { ++found; });
  }
  if (found != h.bytes / width) return wrong_count(h, static_cast<int64_t>(found));
  Tensor t(h.type, h.dims);
  auto* out = t.as<char>();
  size_t done = 0;
  Fields again(message);
  while (again.next()) {
    if (again.tag() != tag) continue;
    again.integers([&](int64_t value) {
      if (done++ >= found) return;
      if (h.type == ElementType::boolean) value = value != 0;
      std::memcpy(out, &value, width);  // little endian: the low bytes
      out += width;
    });
  }
  return t;
}

Result<uint64_t> number(Text text, std::string_view what) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  return fail(ErrorCode::invalid_model, "the {} of its external data is not a number", what);
}

Result<Tensor> external(const Header& h, TensorSource& source) {
  if (source.external == nullptr)
    return Error(ErrorCode::unsupported, "its data lies in another file, which is not allowed here");
  if (h.type == ElementType::string) return Error(ErrorCode::invalid_model, "strings cannot be external data");
  ExternalPlace place;
  for (const auto& [key, value] : h.external_data) {
    if (key == "location") place.location = value;
    if (key == "offset") place.offset = TRY(number(value, "offset"));
    if (key == "length") place.length = TRY(number(value, "length"));
  }
  const ExternalFiles::Bytes found = TRY(source.external->at(place, h.bytes));
  return adopt(h, found.text, found.owner);
}

Result<Tensor> load(Text message, TensorSource& source) {
  const Header h = TRY(read_header(message));
  if (h.external) return external(h, source);
  if (h.raw) {
    if (h.type == ElementType::string) return Error(ErrorCode::invalid_model, "strings cannot be raw data");
    if (h.raw->size() != h.bytes) {
      return fail(ErrorCode::invalid_model, "its raw data has {} bytes where its type {} and shape {} take {}", h.raw->size(),
                  name(h.type), to_string(h.dims), h.bytes);
    }
    return adopt(h, *h.raw, source.owner, source.disposable);
  }
  switch (h.type) {
    case ElementType::string:
      return strings(h, message);
    case ElementType::f32:
    case ElementType::c64:
      return fixed(h, message, kFloatData, source.owner);
    case ElementType::f64:
    case ElementType::c128:
      return fixed(h, message, kDoubleData, source.owner);
    case ElementType::i64:
      return varints(h, message, kInt64Data);
    case ElementType::u32:
    case ElementType::u64:
      return varints(h, message, kUint64Data);
    default:
      return varints(h, message, kInt32Data);
  }
}

Text name_of(Text message) {
  Text name;
  Fields in(message);
  while (in.next()) {
    if (in.tag() == 8) name = in.bytes();
  }
  return name.substr(0, 200);
}

/// Row-major place of non-zero `k`: indices are linear [n] or coordinates [n, rank].
Result<int64_t> place_of(const Tensor& indices, int64_t k, const Dims& dims) {
  const auto* at = indices.as<int64_t>();
  const Error outside(ErrorCode::invalid_model, "a sparse index lies outside the tensor");
  if (indices.dims().rank() == 1) {
    if (at[k] < 0 || at[k] >= dims.count()) return outside;
    return at[k];
  }
  int64_t place = 0;
  for (int axis = 0; axis < dims.rank(); ++axis) {
    const int64_t i = at[k * dims.rank() + axis];
    if (i < 0 || i >= dims[axis]) return outside;
    place = place * dims[axis] + i;
  }
  return place;
}

Result<Tensor> load_sparse(Text message, TensorSource& source) {
  const SparseTensorProto sparse = decode_sparse_tensor(message);
  const Tensor values = TRY(load(sparse.values, source));
  const Tensor indices = TRY(load(sparse.indices, source));
  if (bits(values.type()) < 8) return fail(ErrorCode::unsupported, "sparse tensors of {} are not read", name(values.type()));
  const Dims dims = TRY(checked_dims(sparse.dims, values.type()));
  const int64_t n = values.count();
  const bool linear = indices.dims().rank() == 1 && indices.count() == n;
  const bool coordinates = indices.dims() == Dims{n, dims.rank()};
  if (values.dims().rank() != 1 || indices.type() != ElementType::i64 || !(linear || coordinates)) {
    return fail(ErrorCode::invalid_model, "its values {} and indices {} of {} do not make a sparse tensor",
                to_string(values.dims()), to_string(indices.dims()), name(indices.type()));
  }
  const size_t bytes = byte_size(values.type(), dims.count());
  if (static_cast<int64_t>(bytes) > kMaxExpandedBytes - source.expanded_bytes) {
    return fail(ErrorCode::limit, "the model's sparse tensors take more than {} bytes when made dense", kMaxExpandedBytes);
  }
  source.expanded_bytes += static_cast<int64_t>(bytes);
  Tensor dense(values.type(), dims);
  const size_t width = byte_size(values.type(), 1);
  for (int64_t k = 0; k < n; ++k) {
    const auto place = static_cast<size_t>(TRY(place_of(indices, k, dims)));
    std::memcpy(dense.as<char>() + place * width, values.as<char>() + static_cast<size_t>(k) * width, width);
  }
  return dense;
}

}  // namespace

Result<Tensor> load_tensor(Text message, TensorSource& source) {
  Result<Tensor> tensor = load(message, source);
  if (!tensor) return std::move(tensor).error().with(fmt::format("in tensor '{}'", name_of(message)));
  return tensor;
}

Result<Tensor> load_sparse_tensor(Text message, TensorSource& source) {
  Result<Tensor> tensor = load_sparse(message, source);
  if (!tensor)
    return std::move(tensor).error().with(fmt::format("in sparse tensor '{}'", name_of(decode_sparse_tensor(message).values)));
  return tensor;
}

}  // namespace slipway::import::onnx

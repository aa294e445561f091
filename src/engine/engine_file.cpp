#include "engine/engine_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/format.hpp"
#include "engine/checksum.hpp"
#include "engine/graph_reader.hpp"
#include "engine/graph_writer.hpp"

namespace slipway::engine {
namespace {

constexpr char kMagic[8] = {'S', 'L', 'I', 'P', 'E', 'N', 'G', '\n'};
constexpr uint32_t kByteOrder = 0x01020304;
constexpr uint64_t kPage = 4096;
constexpr uint32_t kMaxTables = 1u << 26;  // of the FlatBuffer verifier

struct Header {
  char magic[8];
  uint32_t version, byte_order;
  uint64_t metadata_offset, metadata_length, metadata_checksum;
  uint64_t reserved;
  uint64_t header_checksum;  ///< of everything before
};
static_assert(sizeof(Header) == 56);

uint64_t header_sum(const Header& h) {
  return checksum(std::as_bytes(std::span(&h, 1)).first(offsetof(Header, header_checksum)));
}

uint64_t page_up(uint64_t n) {
  return (n + kPage - 1) / kPage * kPage;
}

/// A file that is removed again unless keep() was called.
class TemporaryFile {
 public:
  static Result<TemporaryFile> make(const std::filesystem::path& beside) {
    std::string name = beside.string() + ".XXXXXX";
    const int fd = mkostemp(name.data(), O_CLOEXEC);
    if (fd < 0) return fail(ErrorCode::io, "{}: cannot be created: {}", beside.string(), std::strerror(errno));
    return TemporaryFile(fd, std::move(name));
  }
  TemporaryFile(TemporaryFile&& o) noexcept : fd_(std::exchange(o.fd_, -1)), name_(std::move(o.name_)) {}
  TemporaryFile& operator=(TemporaryFile&&) = delete;
  ~TemporaryFile() {
    if (fd_ < 0) return;
    close(fd_);
    unlink(name_.c_str());
  }

  Status write(const void* data, size_t bytes, uint64_t offset) {
    const auto* at = static_cast<const std::byte*>(data);
    while (bytes > 0) {
      const ssize_t done = pwrite(fd_, at, bytes, static_cast<off_t>(offset));
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) return fail(ErrorCode::io, "{}: cannot be written: {}", name_, std::strerror(errno));
      at += done;
      offset += static_cast<uint64_t>(done);
      bytes -= static_cast<size_t>(done);
    }
    return {};
  }
  Status keep(const std::filesystem::path& path) {
    fchmod(fd_, 0644);
    if (fsync(fd_) != 0 || rename(name_.c_str(), path.c_str()) != 0) {
      return fail(ErrorCode::io, "{}: cannot be written: {}", path.string(), std::strerror(errno));
    }
    close(std::exchange(fd_, -1));
    return {};
  }

 private:
  TemporaryFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  int fd_;
  std::string name_;
};

Error damaged(std::string_view what) {
  return fail(ErrorCode::invalid_model, "the engine file is damaged: {}; build it again", what);
}

}  // namespace

bool is_engine_file(std::span<const std::byte> head) {
  return head.size() >= sizeof kMagic && std::memcmp(head.data(), kMagic, sizeof kMagic) == 0;
}

Status write_engine_file(const std::filesystem::path& path, const ir::Graph& graph, const FileInfo& info) {
  flatbuffers::FlatBufferBuilder builder(1 << 16);
  GraphWriter writer(builder);
  const auto root = writer.graph(graph);
  // Offsets come behind the metadata, whose length does not depend on them: sections count from the first page after it, and the
  // reader adds that base.
  std::vector<fb::Section> sections;
  uint64_t at = 0;
  for (const Tensor& t : writer.sections()) {
    sections.emplace_back(at, t.bytes(), checksum({t.as<std::byte>(), t.bytes()}));
    at = page_up(at + t.bytes());
  }
  const auto version = builder.CreateString(info.slipway_version), isa = builder.CreateString(std::string(name(info.isa)));
  const auto section_list = builder.CreateVectorOfStructs(sections);
  builder.Finish(fb::CreateEngine(builder, version, isa, info.deterministic, root, section_list));
  const std::span metadata(reinterpret_cast<const std::byte*>(builder.GetBufferPointer()), builder.GetSize());

  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kFormatVersion;
  header.byte_order = kByteOrder;
  header.metadata_offset = kPage;
  header.metadata_length = metadata.size();
  header.metadata_checksum = checksum(metadata);
  header.header_checksum = header_sum(header);

  TemporaryFile file = TRY(TemporaryFile::make(path));
  const std::vector<std::byte> zeros(kPage);
  TRY(file.write(zeros.data(), kPage, 0));
  TRY(file.write(&header, sizeof header, 0));
  TRY(file.write(metadata.data(), metadata.size(), kPage));
  const uint64_t base = page_up(kPage + metadata.size());
  for (size_t i = 0; i < sections.size(); ++i) {
    TRY(file.write(writer.sections()[i].data(), sections[i].length(), base + sections[i].offset()));
  }
  if (const uint64_t end = base + at; sections.empty() || end > base + sections.back().offset() + sections.back().length()) {
    const uint64_t last = sections.empty() ? kPage + metadata.size() : base + sections.back().offset() + sections.back().length();
    TRY(file.write(zeros.data(), std::min<uint64_t>(kPage, end - last), last));
  }
  return file.keep(path);
}

Result<ir::Graph> read_engine_file(const FileBytes& file, bool verify_weights, FileInfo* info) {
  const std::span<const std::byte> bytes = file.bytes();
  Header header;
  if (!is_engine_file(bytes)) return Error(ErrorCode::invalid_model, "not an engine file");
  if (bytes.size() < sizeof header) return damaged("it ends within its header");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version > kFormatVersion) {
    return fail(ErrorCode::unsupported,
                "the engine file has format {} of a newer slipway, this one reads up to {}; build it again or upgrade",
                header.version, kFormatVersion);
  }
  if (header.byte_order != kByteOrder || header.version == 0 || header.header_checksum != header_sum(header))
    return damaged("its header is wrong");
  if (header.metadata_offset > bytes.size() || header.metadata_length > bytes.size() - header.metadata_offset) {
    return damaged("it ends within its metadata");
  }
  const std::span metadata = bytes.subspan(header.metadata_offset, header.metadata_length);
  if (checksum(metadata) != header.metadata_checksum) return damaged("its metadata does not match its checksum");
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(metadata.data()), metadata.size(), 256, kMaxTables);
  if (!fb::VerifyEngineBuffer(verifier)) return damaged("its metadata is malformed");
  const fb::Engine& engine = *fb::GetEngine(metadata.data());
  const uint64_t base = page_up(header.metadata_offset + header.metadata_length);

  const auto* sections = engine.sections();
  const uint32_t count = sections == nullptr ? 0 : sections->size();
  uint64_t section_bytes = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const fb::Section& s = *sections->Get(i);
    if (s.offset() % kPage != 0 || base > bytes.size() || s.offset() > bytes.size() - base ||
        s.length() > bytes.size() - base - s.offset()) {
      return damaged("it ends within its weights");
    }
    section_bytes += s.length();
    if (verify_weights && checksum(bytes.subspan(base + s.offset(), s.length())) != s.checksum()) {
      return damaged(fmt::format("weight section {} does not match its checksum", i));
    }
  }
  if (info != nullptr) {
    info->slipway_version = engine.slipway_version() == nullptr ? "" : engine.slipway_version()->str();
    info->isa = parse_isa(engine.isa() == nullptr ? "" : engine.isa()->str()).value_or(Isa::portable);
    info->deterministic = engine.deterministic();
    info->metadata_bytes = metadata.size();
    info->sections = count;
    info->section_bytes = section_bytes;
  }
  const SectionReader read_section = [&](int index, ElementType type, const Dims& dims) -> Result<Tensor> {
    if (static_cast<uint32_t>(index) >= count) return damaged("a constant names a section that is not there");
    const fb::Section& s = *sections->Get(static_cast<uint32_t>(index));
    if (type == ElementType::string || s.length() != byte_size(type, dims.count()))
      return damaged("a section's length does not fit its constant");
    return Tensor(type, dims, file.owner(), bytes.data() + base + s.offset());
  };
  ir::Graph graph = TRY(read_graph(*engine.graph(), read_section));
  TRY(ir::verify(graph));
  return graph;
}

}  // namespace slipway::engine

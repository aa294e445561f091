#include "engine/engine_file.hpp"

#include <cstring>

#include "base/format.hpp"
#include "base/pages.hpp"
#include "base/temporary_file.hpp"
#include "engine/checksum.hpp"
#include "engine/graph_reader.hpp"
#include "engine/graph_writer.hpp"
#include "engine/value_reads.hpp"

namespace slipway::engine {
namespace {

constexpr char kMagic[8] = {'S', 'L', 'I', 'P', 'E', 'N', 'G', '\n'};
constexpr uint32_t kByteOrder = 0x01020304;
constexpr uint32_t kMaxTables = 1u << 26;  // of the FlatBuffer verifier
constexpr size_t kPage = 4096;
/// Address space for constants whose bytes are not there yet.
constexpr size_t kMaxReserved = size_t{1} << 42;

struct Header {
  char magic[8];
  uint32_t version, byte_order;
  uint64_t metadata_offset, metadata_length, metadata_checksum;
  uint64_t file_length;
  uint64_t header_checksum;  ///< of everything before
};
static_assert(sizeof(Header) == 56);

uint64_t header_sum(const Header& h) {
  return checksum(std::as_bytes(std::span(&h, 1)).first(offsetof(Header, header_checksum)));
}

size_t page_up(size_t n) {
  return (n + kPage - 1) / kPage * kPage;
}

uint64_t aligned(uint64_t n) {
  return (n + kAlignment - 1) / kAlignment * kAlignment;
}

Error damaged(std::string_view what) {
  return fail(ErrorCode::invalid_model, "the engine file is damaged: {}; build it again", what);
}

}  // namespace

bool is_engine_file(std::span<const std::byte> head) {
  return head.size() >= sizeof kMagic && std::memcmp(head.data(), kMagic, sizeof kMagic) == 0;
}

namespace {

/// Puts one section after the other into a file.
class SectionWriter {
 public:
  explicit SectionWriter(TemporaryFile& file) : file_(file) {}

  Result<uint32_t> add(std::span<const std::byte> bytes) {
    TRY(file_.write(bytes.data(), bytes.size(), end_));
    sections_.emplace_back(end_, bytes.size(), checksum(bytes));
    end_ = aligned(end_ + bytes.size());
    return static_cast<uint32_t>(sections_.size() - 1);
  }
  uint64_t end() const { return end_; }
  const std::vector<fb::Section>& sections() const { return sections_; }

 private:
  TemporaryFile& file_;
  uint64_t end_ = aligned(sizeof(Header));
  std::vector<fb::Section> sections_;
};

/// A form that can be undone as it goes into the file: taken over from the file that the graph came from, or packed now.
Result<std::optional<StoredForm>> make_form(const Tensor& constant, const std::string& name, const tactic::Packing& packing,
                                            ModelPackedStore& store) {
  StoredForm form = store.stored(constant, name);
  if (form.data != nullptr && form.placement) return std::optional(std::move(form));
  if (!packing.unpack) return std::optional<StoredForm>();
  TRY(store.provide(constant));
  form.placement = Placement::find(constant, packing);
  if (!form.placement) return std::optional<StoredForm>();
  form.name = name;
  form.bytes = packing.bytes;
  const std::shared_ptr<void> packed = allocate_pages(packing.bytes);
  packing.pack(constant, static_cast<std::byte*>(packed.get()));
  form.data = tactic::Packed(packed, static_cast<const std::byte*>(packed.get()));
  if (!form.placement->undoes(form.data.get(), constant)) return std::optional<StoredForm>();
  return std::optional(std::move(form));
}

Result<flatbuffers::Offset<fb::Constant>> write_constant(flatbuffers::FlatBufferBuilder& builder, SectionWriter& sections,
                                                         const Tensor& constant, bool keep, const FileSource& source) {
  const PackingRecorder::Wanted* const wanted = source.recorder.wanted(constant);
  keep = keep || wanted == nullptr || wanted->itself;
  std::vector<flatbuffers::Offset<fb::Form>> forms;
  std::vector<std::string> made_at_load;
  for (const auto& [name, packing] : wanted == nullptr ? std::map<std::string, tactic::Packing>() : wanted->packings) {
    const std::optional<StoredForm> form = TRY(make_form(constant, name, packing, source.store));
    if (!form) {
      made_at_load.push_back(name);
      continue;
    }
    const uint32_t section = TRY(sections.add({form->data.get(), form->bytes}));
    const auto recipe = builder.CreateString(name);
    const auto placement = builder.CreateVector(form->placement->encode());
    forms.push_back(fb::CreateForm(builder, recipe, section, placement));
  }
  int section = -1;
  if (keep || forms.empty()) {
    TRY(source.store.provide(constant));
    section = static_cast<int>(TRY(sections.add({constant.as<std::byte>(), constant.bytes()})));
  }
  if (section < 0 || keep) made_at_load.clear();
  const auto form_list = builder.CreateVector(forms);
  return fb::CreateConstant(builder, constant.bytes(), section, form_list, builder.CreateVectorOfStrings(made_at_load));
}

flatbuffers::Offset<fb::Choice> write_choice(flatbuffers::FlatBufferBuilder& builder, const plan::Choice& choice) {
  std::vector<flatbuffers::Offset<fb::Candidate>> candidates;
  for (const plan::Choice::Candidate& c : choice.candidates) {
    candidates.push_back(
        fb::CreateCandidate(builder, builder.CreateString(c.tactic), c.accepted, c.cost_us, c.measured_us, c.chosen));
  }
  const auto node = builder.CreateString(choice.node), op = builder.CreateString(choice.op);
  return fb::CreateChoice(builder, choice.key, node, op, builder.CreateVector(candidates));
}

/// Every section of a file, checked to lie in it.
class SectionReader {
 public:
  static Result<SectionReader> make(const FileBytes& file, const fb::Engine& engine, uint64_t end, bool verify) {
    SectionReader reader;
    reader.engine_ = &engine;
    const uint32_t count = engine.sections() == nullptr ? 0 : engine.sections()->size();
    // The verifier does not look at the alignment of structs.
    if (count != 0 && reinterpret_cast<uintptr_t>(engine.sections()->Data()) % alignof(fb::Section) != 0) {
      return damaged("its metadata is malformed");
    }
    for (uint32_t i = 0; i < count; ++i) {
      const fb::Section& s = *engine.sections()->Get(i);
      if (s.offset() % kAlignment != 0 || s.offset() > end || s.length() > end - s.offset()) {
        return damaged("it ends within its weights");
      }
      reader.sections_.push_back(file.bytes().subspan(s.offset(), s.length()));
      if (verify && checksum(reader.sections_.back()) != s.checksum()) {
        return damaged(fmt::format("weight section {} does not match its checksum", i));
      }
    }
    return reader;
  }
  Result<std::span<const std::byte>> at(uint64_t index) const {
    if (index >= sections_.size()) return damaged("a constant names a section that is not there");
    return sections_[index];
  }
  FilePlace place(uint64_t index, std::shared_ptr<const File> file) const {
    const fb::Section& s = *engine_->sections()->Get(static_cast<uint32_t>(index));
    return {std::move(file), s.offset(), s.checksum()};
  }
  size_t count() const { return sections_.size(); }

 private:
  const fb::Engine* engine_ = nullptr;
  std::vector<std::span<const std::byte>> sections_;
};

struct Source {
  const FileBytes& bytes;
  const std::shared_ptr<const File>& file;
};

Result<StoredConstant> read_constant(const fb::Constant& from, const SectionReader& sections, const Source& source,
                                     FileInfo& info) {
  StoredConstant out;
  out.bytes = from.bytes();
  out.present = from.section() >= 0;
  if (out.present) {
    const std::span<const std::byte> bytes = TRY(sections.at(static_cast<uint64_t>(from.section())));
    if (bytes.size() != out.bytes) return damaged("a section's length does not fit its constant");
    out.owner = source.bytes.owner();
    out.place = sections.place(static_cast<uint64_t>(from.section()), source.file);
    out.data = bytes.data();
    info.original_bytes += bytes.size();
  }
  bool undoable = false;
  for (uint32_t i = 0; from.forms() != nullptr && i < from.forms()->size(); ++i) {
    const fb::Form& f = *from.forms()->Get(i);
    const std::span<const std::byte> bytes = TRY(sections.at(f.section()));
    StoredForm form{f.recipe()->str(), tactic::Packed(source.bytes.owner(), bytes.data()), bytes.size(), std::nullopt};
    if (const std::vector<int64_t> words = longs(f.placement()); !words.empty()) {
      form.placement = TRY(Placement::decode(words, out.bytes, bytes.size()));
      undoable = true;
    }
    info.packed_bytes += bytes.size();
    out.forms.push_back(std::move(form));
  }
  if (!out.present && !undoable) return damaged("a constant without bytes");
  for (uint32_t i = 0; from.made_at_load() != nullptr && i < from.made_at_load()->size(); ++i) {
    out.made_at_load.push_back(from.made_at_load()->Get(i)->str());
  }
  return out;
}

/// Those without bytes of their own get reserved addresses.
Result<std::vector<StoredConstant>> read_constants(const fb::Engine& engine, const SectionReader& sections, const Source& source,
                                                   FileInfo& info) {
  std::vector<StoredConstant> out;
  size_t reserved = 0;
  for (uint32_t i = 0; engine.constants() != nullptr && i < engine.constants()->size(); ++i) {
    out.push_back(TRY(read_constant(*engine.constants()->Get(i), sections, source, info)));
    if (!out.back().present) reserved += page_up(out.back().bytes);
    if (reserved > kMaxReserved) return damaged("its constants exceed all bounds");
  }
  const std::shared_ptr<void> space = reserve_pages(reserved);
  const auto* next = static_cast<const std::byte*>(space.get());
  for (StoredConstant& constant : out) {
    if (constant.present) continue;
    constant.owner = space;
    constant.data = next;
    next += page_up(constant.bytes);
  }
  return out;
}

Result<plan::Choices> read_choices(const fb::Engine& engine) {
  plan::Choices out;
  for (uint32_t i = 0; engine.choices() != nullptr && i < engine.choices()->size(); ++i) {
    const fb::Choice& from = *engine.choices()->Get(i);
    plan::Choice choice;
    choice.key = from.key();
    if (from.node() != nullptr) choice.node = from.node()->str();
    if (from.op() != nullptr) choice.op = from.op()->str();
    for (uint32_t k = 0; from.candidates() != nullptr && k < from.candidates()->size(); ++k) {
      const fb::Candidate& c = *from.candidates()->Get(k);
      choice.candidates.push_back({c.tactic()->str(), c.accepted(), c.cost_us(), c.measured_us(), {}, c.chosen()});
    }
    out.insert_or_assign(choice.key, std::move(choice));
  }
  return out;
}

/// The metadata of a file whose header and checksum are right.
Result<std::span<const std::byte>> read_metadata(std::span<const std::byte> bytes) {
  Header header;
  if (!is_engine_file(bytes)) return Error(ErrorCode::invalid_model, "not an engine file");
  if (bytes.size() < sizeof header) return damaged("it ends within its header");
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != kFormatVersion) {
    return fail(ErrorCode::unsupported,
                "the engine file has format {}, which is of {} slipway, this one reads {}; build it again{}", header.version,
                header.version > kFormatVersion ? "a newer" : "an older", kFormatVersion,
                header.version > kFormatVersion ? " or upgrade" : "");
  }
  if (header.byte_order != kByteOrder || header.header_checksum != header_sum(header)) return damaged("its header is wrong");
  if (header.file_length != bytes.size()) {
    return damaged(fmt::format("it has {} bytes instead of {}", bytes.size(), header.file_length));
  }
  if (header.metadata_offset % kAlignment != 0 || header.metadata_offset > bytes.size() ||
      header.metadata_length > bytes.size() - header.metadata_offset) {
    return damaged("its metadata lies outside");
  }
  const std::span metadata = bytes.subspan(header.metadata_offset, header.metadata_length);
  if (checksum(metadata) != header.metadata_checksum) return damaged("its metadata does not match its checksum");
  return metadata;
}

}  // namespace

Status write_engine_file(const std::filesystem::path& path, const ir::Graph& graph, const FileSource& source) {
  TemporaryFile file = TRY(TemporaryFile::make(path.string()));
  SectionWriter sections(file);
  flatbuffers::FlatBufferBuilder builder(1 << 16);
  GraphWriter writer(builder);
  const auto root = writer.graph(graph);
  std::vector<flatbuffers::Offset<fb::Constant>> constants;
  const std::set<const void*> read = constants_read_by_inference(graph);
  for (const Tensor& t : writer.constants()) {
    constants.push_back(TRY(write_constant(builder, sections, t, read.count(t.data()) != 0, source)));
  }
  std::vector<flatbuffers::Offset<fb::Choice>> choices;
  for (const plan::Choice& choice : source.choices) choices.push_back(write_choice(builder, choice));
  const auto version = builder.CreateString(source.info.slipway_version);
  const auto isa = builder.CreateString(std::string(name(source.info.isa)));
  const auto section_list = builder.CreateVectorOfStructs(sections.sections());
  const auto constant_list = builder.CreateVector(constants);
  const auto choice_list = builder.CreateVector(choices);
  builder.Finish(
      fb::CreateEngine(builder, version, isa, source.info.deterministic, root, section_list, constant_list, choice_list));
  const std::span metadata(reinterpret_cast<const std::byte*>(builder.GetBufferPointer()), builder.GetSize());

  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kFormatVersion;
  header.byte_order = kByteOrder;
  header.metadata_offset = sections.end();
  header.metadata_length = metadata.size();
  header.metadata_checksum = checksum(metadata);
  header.file_length = header.metadata_offset + metadata.size();
  header.header_checksum = header_sum(header);
  TRY(file.write(metadata.data(), metadata.size(), header.metadata_offset));
  TRY(file.write(&header, sizeof header, 0));
  return file.keep(path.string());
}

Result<FileContents> read_engine_file(const FileBytes& bytes, bool verify_weights, const std::shared_ptr<const File>& file) {
  const std::span<const std::byte> metadata = TRY(read_metadata(bytes.bytes()));
  flatbuffers::Verifier verifier(reinterpret_cast<const uint8_t*>(metadata.data()), metadata.size(), 256, kMaxTables);
  if (!fb::VerifyEngineBuffer(verifier)) return damaged("its metadata is malformed");
  const fb::Engine& engine = *fb::GetEngine(metadata.data());

  FileContents out;
  const auto end = static_cast<uint64_t>(metadata.data() - bytes.bytes().data());
  const SectionReader sections = TRY(SectionReader::make(bytes, engine, end, verify_weights));
  out.info.slipway_version = engine.slipway_version() == nullptr ? "" : engine.slipway_version()->str();
  out.info.isa = parse_isa(engine.isa() == nullptr ? "" : engine.isa()->str()).value_or(Isa::portable);
  out.info.deterministic = engine.deterministic();
  out.info.metadata_bytes = metadata.size();
  out.info.sections = sections.count();
  out.constants = TRY(read_constants(engine, sections, {bytes, file}, out.info));
  const ConstantReader constant = [&](int index, ElementType type, const Dims& dims) -> Result<Tensor> {
    if (static_cast<size_t>(index) >= out.constants.size()) return damaged("a tensor names a constant that is not there");
    const StoredConstant& c = out.constants[static_cast<size_t>(index)];
    if (type == ElementType::string || c.bytes != byte_size(type, dims.count())) {
      return damaged("a constant's length does not fit its tensor");
    }
    return Tensor(type, dims, c.owner, c.data);
  };
  out.graph = TRY(read_graph(*engine.graph(), constant));
  const std::set<const void*> read = constants_read_by_inference(out.graph);
  for (StoredConstant& c : out.constants) {
    if (read.count(c.data) == 0) continue;
    if (!c.present) return damaged("a value that extents depend on is packed");
    c.made_at_load.clear();
  }
  TRY(ir::verify(out.graph));
  out.choices = TRY(read_choices(engine));
  return out;
}

}  // namespace slipway::engine

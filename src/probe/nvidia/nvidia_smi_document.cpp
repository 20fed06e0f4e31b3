#include "probe/nvidia/nvidia_smi_document.h"

#include <algorithm>
#include <array>
#include <memory>
#include <type_traits>

#include <expat.h>
#include <fmt/format.h>

#include "base/error.h"
#include "probe/csv_rows.h"

namespace chg {
namespace {

constexpr std::size_t kBytesMax = 16U << 20;  // as much as run_tool takes
constexpr std::size_t kDepthMax = 32;         // nvidia-smi's are 7 deep
constexpr std::size_t kGpusMax = 1024;
constexpr std::size_t kPartsMax = 64;  // a GPU of today has 7 at most
constexpr std::size_t kProcessesMax = 65536;
constexpr std::size_t kFieldBytesMax = 4096;

constexpr std::string_view kGpu = "nvidia_smi_log/gpu";
constexpr std::string_view kPart = "nvidia_smi_log/gpu/mig_devices/mig_device";
constexpr std::string_view kProcess = "nvidia_smi_log/gpu/processes/process_info";

// Most of the document is of no use: tables of clocks, counters of errors.
constexpr std::array<std::string_view, 20> kUsed = {
    "product_name",
    "uuid",
    "mig_mode/current_mig",
    "pci/pci_bus_id",
    "fb_memory_usage/used",
    "fb_memory_usage/total",
    "utilization/gpu_util",
    "temperature/gpu_temp",
    "power_readings/power_draw",
    "gpu_power_readings/power_draw",
    "gpu_power_readings/average_power_draw",
    "gpu_power_readings/instant_power_draw",
    "processes",
    // of a part
    "gpu_instance_id",
    "compute_instance_id",
    "device_attributes/shared/multiprocessor_count",
    // of a process
    "pid",
    "type",
    "process_name",
    "used_memory",
};

Error unreadable(const std::string& reason) {
  return Error(ErrorKind::Failed, "cannot read the XML of nvidia-smi: " + reason);
}

// The document without what is printed around it. Names of processes are the bytes that somebody
// chose, and must not make the rest unreadable.
std::string document_in(std::string_view text) {
  constexpr std::string_view kEnd = "</nvidia_smi_log>";
  const std::size_t begin = std::min(text.find("<?xml"), text.find("<nvidia_smi_log"));
  const std::size_t end = text.rfind(kEnd);
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) {
    throw unreadable("it is not complete");
  }
  if (end - begin > kBytesMax) throw unreadable("it is too large");
  std::string document(text.substr(begin, end + kEnd.size() - begin));
  for (char& c : document) {
    const bool is_blank = c == '\n' || c == '\r' || c == '\t';
    if (!is_blank && (c < ' ' || c > '~')) c = '?';
  }
  return document;
}

// Takes what expat finds. Its functions are called from C, through which nothing may be thrown:
// they leave a failure behind and stop the parser.
class Reader {
 public:
  Reader();
  std::vector<XmlGpu> read(const std::string& document);

 private:
  static Reader& self(void* reader) { return *static_cast<Reader*>(reader); }
  void stop(const char* reason) {
    if (failure_.empty()) failure_ = reason;
    XML_StopParser(parser_.get(), XML_FALSE);
  }
  void start(std::string_view name, const XML_Char** attributes) noexcept;
  void end() noexcept;
  void take_text(std::string_view text) noexcept;
  void begin_leaf(bool is_field) {
    is_field_ = is_field;
    text_.clear();
  }
  void begin_record(const XML_Char** attributes);
  void begin_one_more(std::vector<XmlFields>& records, std::size_t max);

  std::unique_ptr<std::remove_pointer_t<XML_Parser>, void (*)(XML_Parser)> parser_;
  std::vector<XmlGpu> gpus_;
  std::string path_;                  // of the element that is open: "nvidia_smi_log/gpu/uuid"
  std::vector<std::size_t> lengths_;  // of the paths of those around it
  std::string text_;                  // of the element that is open
  bool is_field_ = false;             // it has had nothing but a text of reasonable length
  std::string failure_;
};

Reader::Reader() : parser_(XML_ParserCreate("UTF-8"), XML_ParserFree) {
  if (parser_ == nullptr) throw unreadable("no memory");
  XML_Parser parser = parser_.get();
  XML_SetUserData(parser, this);
  XML_SetElementHandler(
      parser,
      [](void* reader, const XML_Char* name, const XML_Char** attributes) {
        self(reader).start(name, attributes);
      },
      [](void* reader, const XML_Char*) { self(reader).end(); });
  XML_SetCharacterDataHandler(parser, [](void* reader, const XML_Char* text, int length) {
    self(reader).take_text({text, static_cast<std::size_t>(length)});
  });
  // Entities can make a small text huge; one that isn't known would be left out of a value.
  XML_SetEntityDeclHandler(
      parser,
      [](void* reader, const XML_Char*, int, const XML_Char*, int, const XML_Char*, const XML_Char*,
         const XML_Char*, const XML_Char*) { self(reader).stop("it declares entities"); });
  XML_SetSkippedEntityHandler(parser, [](void* reader, const XML_Char*, int) {
    self(reader).stop("it has unknown entities");
  });
}

std::vector<XmlGpu> Reader::read(const std::string& document) {
  const XML_Status status =
      XML_Parse(parser_.get(), document.data(), static_cast<int>(document.size()), XML_TRUE);
  if (!failure_.empty()) throw unreadable(failure_);
  if (status != XML_STATUS_OK) {
    throw unreadable(fmt::format("{} in line {}", XML_ErrorString(XML_GetErrorCode(parser_.get())),
                                 XML_GetCurrentLineNumber(parser_.get())));
  }
  return std::move(gpus_);
}

void Reader::start(std::string_view name, const XML_Char** attributes) noexcept {
  if (!failure_.empty()) return;
  if (lengths_.size() == kDepthMax) return stop("it is too deep");
  if (name.size() > kFieldBytesMax) return stop("it has too long a name");
  lengths_.push_back(path_.size());
  if (!path_.empty()) path_ += '/';
  path_ += name;
  begin_leaf(true);
  begin_record(attributes);
}

void Reader::begin_record(const XML_Char** attributes) {
  if (path_ == kGpu) {
    if (gpus_.size() == kGpusMax) return stop("it has too many GPUs");
    XmlFields& fields = gpus_.emplace_back().fields;
    for (; *attributes != nullptr; attributes += 2) {
      const std::string_view value = attributes[1];
      if (std::string_view(attributes[0]) == "id") fields["id"] = value.substr(0, kFieldBytesMax);
    }
  } else if (path_ == kPart) {
    begin_one_more(gpus_.back().parts, kPartsMax);
  } else if (path_ == kProcess) {
    begin_one_more(gpus_.back().processes, kProcessesMax);
  }
}

void Reader::begin_one_more(std::vector<XmlFields>& records, std::size_t max) {
  if (records.size() == max) return stop("a list in it is too long");
  records.emplace_back();
}

void Reader::end() noexcept {
  if (!failure_.empty() || lengths_.empty()) return;
  const auto put = [this](std::string_view record, XmlFields& fields) {
    const std::string_view place = std::string_view(path_).substr(record.size() + 1);
    if (!is_field_ || std::find(kUsed.begin(), kUsed.end(), place) == kUsed.end()) return;
    fields.emplace(place, trimmed(text_));
  };
  const auto is_in = [this](std::string_view record) {
    return path_.size() > record.size() && path_.starts_with(record) && path_[record.size()] == '/';
  };
  if (is_in(kPart)) {
    put(kPart, gpus_.back().parts.back());
  } else if (is_in(kProcess)) {
    put(kProcess, gpus_.back().processes.back());
  } else if (is_in(kGpu)) {
    put(kGpu, gpus_.back().fields);
  }
  path_.resize(lengths_.back());
  lengths_.pop_back();
  begin_leaf(false);
}

void Reader::take_text(std::string_view text) noexcept {
  // A cut value would be another value, and so would the rest around an element.
  if (text_.size() + text.size() > kFieldBytesMax) is_field_ = false;
  if (is_field_) text_ += text;
}

}  // namespace

std::string_view field_at(const XmlFields& fields, std::string_view place) {
  const auto found = fields.find(place);
  return found == fields.end() ? std::string_view() : std::string_view(found->second);
}

std::vector<XmlGpu> read_nvidia_smi_document(std::string_view text) {
  return Reader().read(document_in(text));
}

}  // namespace chg

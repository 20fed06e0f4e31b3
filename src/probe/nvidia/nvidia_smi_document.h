// The document of `nvidia-smi -q -x`, with the fields that are of use and no meaning given to them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace chg {

/// Texts by their place below the record's element: "fb_memory_usage/used". Trimmed. Elements with
/// others inside, and texts of more than 4 KiB, are left out. Of several in one place the first
/// counts.
using XmlFields = std::map<std::string, std::string, std::less<>>;

/// The text at `place`, or "".
std::string_view field_at(const XmlFields& fields, std::string_view place);

struct XmlGpu {
  XmlFields fields;  ///< "id" is the attribute
  std::vector<XmlFields> parts;
  std::vector<XmlFields> processes;
};

/// Reads the GPUs in the order of the document; limits and errors as of parse_gpus_xml. Bytes that
/// are no ASCII, or no text at all, become '?'.
std::vector<XmlGpu> read_nvidia_smi_document(std::string_view text);

}  // namespace chg

// What a store keeps of a pool: a record for each thing in it, under the name of its field. All
// stores keep the same ones:
//
// - JSON, by the lists of core/fields.h: settings, policy, recall, cancelled, gpu:N,
// reservation:ID,
//   request:ID
// - a short text: provider, identity
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/pool.h"
#include "store/difference.h"

namespace chg::records {

/// The field of Pool::provider, whose record is the text itself.
inline constexpr const char* kProvider = "provider";
/// The field of Pool::policy. Without a record the policy is the default one.
inline constexpr const char* kPolicy = "policy";

/// One record to be written, or deleted.
struct Write {
  std::string field;
  std::optional<std::string> record;  ///< nullopt: delete it
};

/// The writes that turn the stored records into those of `after`; `what` is the difference from the
/// pool before.
std::vector<Write> writes(const Pool& after, const Difference& what);

/// Every record of a pool.
std::vector<Write> writes(const Pool& pool);

/// Adds one record to a pool that has none under this field. Call put_in_order when all are there.
/// A field that this version does not know is left out. A damaged record of a GPU takes that GPU
/// out of service, until somebody has looked at it. Any other damaged record goes to `damaged`, by
/// its field; without that list, throws Error(Failed) for it. Throws Error(Failed) for the settings
/// of a later version.
void add(Pool& pool, std::string_view field, std::string_view record,
         std::vector<std::string>* damaged = nullptr);

/// Takes what is under this field out of the pool. Settings and identity stay: a pool has them.
void remove(Pool& pool, std::string_view field);

/// Puts the lists of the pool in order, after records were added.
void put_in_order(Pool& pool);

/// An event as JSON, and back. Throws std::invalid_argument for what is none.
std::string write(const Event& event);
Event read_event(std::string_view text);

/// A usage record as canhazgpu 0.1.0 wrote it. Throws std::invalid_argument for what is none.
UsageRecord read_usage(std::string_view text);

}  // namespace chg::records

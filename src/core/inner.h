// Runs inside reservations. An inner run uses GPUs that another reservation of its account has, its
// outer one; each of them is one inner run's at a time. Rules 39-44 of docs/semantics.md.
//
// The id says where a run belongs, and stays: "c.b" was made inside "b". So processes that carry it
// (kReservationVariable) are of the jobs of both. What the run is inside of now, the pool tells: an
// inner run whose outer reservation is over goes on as a reservation of its own.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/pool.h"

namespace chg {

/// The id of what is made inside the reservation `outer`.
std::string inner_id(const std::string& id, const std::string& outer);

/// Whether that is the id of something made inside `outer`, at whatever depth.
bool was_made_inside(std::string_view id, std::string_view outer);

/// Whether a process that carries `carried` is of the job of the reservation `id`: it is of that
/// one, or of one that was made inside it.
bool names_job(std::string_view carried, std::string_view id);

/// All GPUs of a reservation, those that it has lost as well, ascending.
std::vector<int> all_gpus(const Reservation& reservation);

/// The reservation that this one is inside of: the nearest one that it was made inside of, of the
/// same account, that has all its GPUs. nullptr: it is one of its own.
const Reservation* outer_of(const Pool& pool, const Reservation& reservation);

/// The reservation that would serve this request: the nearest one that it was made inside of, of
/// the same account, that has as many GPUs as it asks for, and all that it names. nullptr: the pool
/// serves it.
const Reservation* outer_of(const Pool& pool, const Request& request);

/// Whether this reservation may have the GPU, which it has not now: what it is inside of has it, if
/// there is such a one, and nobody else has it but what is inside of this one.
bool may_have(const Pool& pool, const Reservation& reservation, int gpu);

/// The reservations that have this GPU inside `outer`, each inside the one before.
std::vector<const Reservation*> inner_on(const Pool& pool, const Reservation& outer, int gpu);

/// Whether a request waits that was made inside one of these.
bool is_any_waiting_inside(const Pool& pool, const std::vector<std::string>& ids);

/// Throws Error(Usage) with a hint for a new request whose outer reservation has not what it asks
/// for, as far as that can be seen where it was made.
void require_room(const Pool& pool, const Request& request);

/// Where somebody wants a run to be.
struct Whereabouts {
  std::string carried;   ///< the id in the environment of who asks; "": none
  bool is_new = false;   ///< outside of all reservations
  bool is_mine = false;  ///< inside a manual reservation of his own
};

/// The id of the reservation inside which this run is to be; "": of none. That is the live one of
/// the account whose id the environment carries, else a manual one of the same account and label
/// that has all GPUs that the request names. Throws Error(Failed) where a manual one is wanted and
/// none has the GPUs.
std::string choose_outer(const Pool& pool, const Request& request, const Whereabouts& wanted);

/// The manual reservation of the account and label of this request in which it could run; of
/// several, one where it need not wait. nullptr: none.
const Reservation* own_manual(const Pool& pool, const Request& request);

/// The GPUs inside reservations, while the queue is walked in its order.
class Rooms {
 public:
  explicit Rooms(const Pool& pool);

  /// Whether no request is for GPUs inside a reservation.
  bool empty() const { return outer_of_.empty(); }

  /// The id of the reservation that serves this request; nullptr: the pool does.
  const std::string* outer(const Request& request) const;

  /// What it could have now, as many GPUs as it asks for at most. REQUIRES: it has an outer one.
  std::vector<int> usable_by(const Request& request) const;
  void remove(const Request& request, const std::vector<int>& gpus);

 private:
  std::map<std::string, std::string> outer_of_;   ///< by the id of a request
  std::map<std::string, std::vector<int>> free_;  ///< by the id of an outer reservation
};

/// Lets the inner runs that are not inside of anything any more go on as reservations of their own,
/// charged from then on. `inside`: the ids of those that were inside of something before.
void go_on_alone(Pool& pool, const std::vector<std::string>& inside, WallTime from);

/// The ids of the reservations that are inside of another.
std::vector<std::string> inner_ids(const Pool& pool);

/// In how many reservations this one was made, one inside the other. Where several end at once,
/// those of the greater depth end first.
int depth_of(std::string_view id);

}  // namespace chg

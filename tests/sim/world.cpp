#include "sim/world.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/error.h"
#include "core/changes.h"
#include "core/inner.h"
#include "core/reap.h"
#include "core/schedule.h"
#include "sim/lineage.h"
#include "sim/promises.h"
#include "sim/violation.h"
#include "support/add_up.h"

namespace chg::sim {
namespace {

using std::chrono::milliseconds;

std::string id_of(int client) { return fmt::format("c{}", client); }

const Caller kRoot{{0, "root"}, true};

Account account_of(std::uint32_t uid) { return {uid, fmt::format("u{}", uid)}; }

void hide(Process& process, const Flags& flags) {
  process.hides_environment = flags.hides_environment;
  process.hides_memory = flags.hides_memory;
  process.hides_owner = flags.hides_owner;
  process.is_ignored = flags.is_ignored;
}

Pool new_pool(const Setup& setup) {
  Pool pool;
  pool.provider = "fake";
  pool.policy.allocation = setup.policy;
  for (int index = 0; index < setup.gpus; ++index) {
    Gpu gpu;
    gpu.index = index;
    gpu.uuid = fmt::format("GPU-{}", index);
    pool.gpus.push_back(std::move(gpu));
  }
  return pool;
}

}  // namespace

World::World(const Setup& setup)
    : setup_(setup),
      machine_(setup.gpus),
      model_(machine_, setup.gpus, setup.policy),
      pool_(new_pool(setup)) {}

const Client* World::client(int number) const {
  const auto index = static_cast<std::size_t>(number);
  return index < clients_.size() ? clients_[index].get() : nullptr;
}

Client* World::find(int number) {
  const auto index = static_cast<std::size_t>(number);
  return number >= 0 && index < clients_.size() ? clients_[index].get() : nullptr;
}

std::shared_ptr<const Pool> World::snapshot() {
  if (!snapshot_) snapshot_ = std::make_shared<const Pool>(pool_);
  return snapshot_;
}

Circumstances World::given(const Place& place, const Sighting* sighting) const {
  return {machine_.now(place), machine_.liveness(place),
          sighting == nullptr ? nullptr : &sighting->observation, serial_, place.can_judge()};
}

bool World::update(const Place& place, const Sighting* sighting, const Change& change,
                   const Expected& expected, const Change& after_grants,
                   const std::function<void(Model&)>& expected_after) {
  ++counts_.updates;
  if (!place.can_judge()) ++counts_.blind;
  if (place.ahead != Duration::zero()) ++counts_.ahead;
  if (sighting != nullptr && !place.unseen.empty()) ++counts_.partial;
  ++serial_;
  snapshot_.reset();
  const Circumstances circumstances = given(place, sighting);
  bring_up_to_date(pool_, circumstances);
  model_.begin(place);
  model_.reap(place, sighting);
  model_.pass_on_untaken(place);
  if (sighting != nullptr) model_.observe(*sighting);
  const Duration timeout = pool_.policy.heartbeat_timeout;
  bool accepted = true;
  try {
    change(pool_);
  } catch (const Error&) {
    // The store would write nothing at all; here what was over stays over, which nobody asked for
    // and nobody can complain of.
    accepted = false;
    ++counts_.refused;
  }
  if (expected(model_) != accepted) {
    throw Violation("authority", accepted ? "a change was not refused" : "a change was refused");
  }
  const auto granted = schedule(pool_, circumstances);
  counts_.grants += granted.size();
  model_.schedule(place, pool_, granted);
  if (accepted && after_grants) {
    after_grants(pool_);
    expected_after(model_);
  }
  model_.compare(pool_);
  // By a new policy more may be over; the next update ends it.
  if (pool_.policy.heartbeat_timeout == timeout) require_order(pool_, model_, machine_, place);
  const bool sees_now = sighting != nullptr && sighting->version == machine_.version() &&
                        sighting->observation.taken == circumstances.now;
  if (sees_now) {
    ++counts_.looks_of_now;
    require_service(pool_, model_, machine_, *sighting);
  }
  ledger_.follow(pool_.events);
  ledger_.compare(pool_);
  for (const UsageRecord& record : usage_of(pool_.events)) {
    ++counts_.endings.at(static_cast<std::size_t>(record.end));
    history_.push_back(record);
  }
  pool_.events.clear();
  return accepted;
}

void World::apply(const Event& event) {
  ++counts_.steps;
  machine_.advance(milliseconds(event.after_ms));
  Client* client = find(event.who);
  switch (event.what) {
    case What::Arrive:
      return arrive(event);
    case What::Step:
      if (client != nullptr) step(*client, event.choice);
      return;
    case What::Supervise:
      if (client != nullptr) supervise(*client, event.choice);
      return;
    case What::Interrupt:
      if (client != nullptr) interrupt(*client);
      return;
    case What::Spawn:
      return spawn(event);
    case What::Intrude:
      return intrude(event);
    case What::Kill:
      return machine_.kill(event.who);
    case What::KillJob:
      kill_job(event.who);
      if (event.choice == 1) machine_.kill(supervisor_key(event.who));
      return;
    case What::Stop:
      return machine_.stop(event.who, true);
    case What::Continue:
      return machine_.stop(event.who, false);
    case What::Break:
      for (const int gpu : existing(event.gpus)) {
        machine_.set_fault(gpu, static_cast<Fault>(event.choice));
      }
      return;
    case What::Mend:
      for (const int gpu : existing(event.gpus)) machine_.set_fault(gpu, Fault::None);
      return;
    case What::BreakProbe:
      return machine_.set_probe_fails(true);
    case What::MendProbe:
      return machine_.set_probe_fails(false);
    case What::Reboot:
      machine_.reboot(milliseconds(event.by_ms));
      return forget_inactive();
    case What::StepClock:
      return machine_.step_wall(milliseconds(event.by_ms));
    case What::Drain:
      return set_service(event, true);
    case What::Undrain:
      return set_service(event, false);
    case What::Cancel:
      return cancel_request(event);
    case What::Release:
      return release_gpus(event);
    case What::Extend:
      return extend_reservations(event);
    case What::SetPolicy:
      return set_policy(event);
    case What::Clear:
      return clear();
    case What::Save:
      saved_.emplace(Saved{pool_, history_, ledger_, model_});
      return;
    case What::Lose:
      return lose(event.choice == 0);
    case What::Report:
      return check_report(milliseconds(event.by_ms));
    case What::Settle:
      return settle();
  }
}

std::vector<int> World::existing(const std::vector<int>& gpus) const {
  std::vector<int> found;
  for (const int gpu : gpus) {
    if (gpu >= 0 && gpu < setup_.gpus) found.push_back(gpu);
  }
  return found;
}

void World::forget_inactive() {
  std::erase_if(active_, [&](int number) {
    return !machine_.is_alive(process_key(number)) && !machine_.is_alive(supervisor_key(number));
  });
}

void World::arrive(const Event& event) {
  Place place = event.place;
  place.uid = event.uid;
  const Sight sighting = machine_.look(place);
  // Nothing was read: `run` and `reserve` fail before they join.
  if (!sighting && !event.flags.views) return;
  if (active_.size() % 16 == 0) forget_inactive();
  const auto index = static_cast<std::size_t>(event.number);
  if (index >= clients_.size()) clients_.resize(index + 1);
  if (clients_[index]) return;
  const std::optional<std::string> id = id_for(event);
  if (!id) return;
  clients_[index] = std::make_unique<Client>();
  Client& client = *clients_[index];
  client.number = event.number;
  client.place = event.place;
  client.place.uid = event.uid;
  client.views = event.flags.views;
  client.nonblock = event.flags.nonblock;
  client.uses_gpus = event.flags.uses_gpus;
  client.leftovers = event.leftovers;
  client.sighting = sighting;
  Request& request = client.request;
  request.id = *id;
  request.account = account_of(event.uid);
  if (event.flags.labelled) request.label = "x";
  request.kind = event.kind;
  request.count = event.count;
  request.gpu_ids = event.gpus;
  request.force = event.flags.force;
  if (event.by_ms > 0) request.duration = milliseconds(event.by_ms);
  const bool is_job = !client.views && event.kind == ReservationKind::Run;
  machine_.start(process_key(event.number), event.uid, event.place, is_job ? event.number : kNobody,
                 is_job ? *id : "");
  request.waiter = machine_.identity(process_key(event.number));
  active_.push_back(event.number);
}

// Says inside which reservation it is to be, as app/run.cpp does. nullopt: it is refused.
std::optional<std::string> World::id_for(const Event& event) const {
  const std::string own = id_of(event.number);
  if (event.flags.views || event.kind == ReservationKind::Manual) return own;
  const Client* parent = event.flags.inside ? client(event.who) : nullptr;
  Request request;
  request.account = account_of(event.uid);
  if (event.flags.labelled) request.label = "x";
  request.count = event.count;
  request.gpu_ids = event.gpus;
  const std::string carried = parent == nullptr ? "" : parent->request.id;
  try {
    const std::string outer = choose_outer(pool_, request, {carried, false, event.flags.mine});
    model_.require_own(outer, request, carried);
    return outer.empty() ? own : inner_id(own, outer);
  } catch (const Error&) {
    return std::nullopt;
  }
}

// Those of runs inside it are of its job, too.
std::vector<int> World::members(int client) const {
  std::vector<int> found;
  const Client* whose = this->client(client);
  for (const int key : machine_.living()) {
    const Process& process = *machine_.find(key);
    const bool is_inside = whose != nullptr && is_made_inside(process.carried, whose->request.id);
    if (process.job == client || is_inside) found.push_back(key);
  }
  return found;
}

void World::kill_job(int client) {
  for (const int key : members(client)) machine_.kill(key);
}

void World::spawn(const Event& event) {
  const Client* client = find(event.who);
  const int key = process_key(event.number);
  if (client == nullptr || client->gpus.empty() || machine_.find(key) != nullptr) return;
  if (members(event.who).empty()) return;
  std::vector<int> gpus;
  for (const int one : event.gpus) {
    gpus.push_back(client->gpus[static_cast<std::size_t>(one) % client->gpus.size()]);
  }
  Process& process = machine_.start(key, client->request.account.uid, client->place, client->number,
                                    client->request.id);
  hide(process, event.flags);
  machine_.use(process, gpus, static_cast<std::uint64_t>(event.memory_mib));
}

void World::intrude(const Event& event) {
  const int key = process_key(event.number);
  if (machine_.find(key) != nullptr) return;
  Process& process = machine_.start(key, event.uid, event.place);
  hide(process, event.flags);
  machine_.use(process, existing(event.gpus), static_cast<std::uint64_t>(event.memory_mib));
}

// ---- Short commands

void World::release_gpus(const Event& event) {
  ReleaseSelection selection;
  selection.gpu_ids = event.gpus;
  if (event.flags.labelled) selection.label = "x";
  selection.runs = event.flags.runs;
  const Caller caller{account_of(event.uid), event.flags.admin};
  Released released;
  update(
      event.place, nullptr,
      [&](Pool& pool) { released = release(pool, caller, selection, machine_.now(event.place)); },
      [&](Model& model) {
        return model.release(event.uid, event.flags.admin, event.gpus, event.flags.labelled,
                             event.flags.runs);
      });
  // The processes of the runs are ended after; some may hang for a while in the driver.
  for (const Reservation& run : released.runs) {
    if (event.choice == 0) kill_job(client_of(run.id));
  }
}

void World::extend_reservations(const Event& event) {
  const Caller caller{account_of(event.uid), event.flags.admin};
  const Duration by = milliseconds(event.by_ms);
  update(
      event.place, nullptr,
      [&](Pool& pool) {
        // Some may have been extended by the time that another one is refused.
        Pool changed = pool;
        extend(changed, caller, event.gpus, by);
        pool = std::move(changed);
      },
      [&](Model& model) { return model.extend(event.uid, event.flags.admin, event.gpus, by); });
}

void World::cancel_request(const Event& event) {
  // An id that begins another one's is ambiguous: 'c1' and 'c12'.
  const std::string id = id_of(event.who);
  const auto matches = [&](const auto& one) { return one.id.starts_with(id); };
  // One that was granted may wait again by then.
  const auto& granted = pool_.reservations;
  if (std::count_if(pool_.queue.begin(), pool_.queue.end(), matches) +
          std::count_if(granted.begin(), granted.end(), matches) >
      1)
    return;
  const Caller caller{account_of(event.uid), event.flags.admin};
  update(
      event.place, nullptr,
      [&](Pool& pool) {
        drop_gone_waiters(pool, given(event.place));
        cancel(pool, caller, id);
      },
      [&](Model& model) {
        model.drop_gone_waiters(event.place);
        return model.cancel(event.uid, event.flags.admin, event.who);
      });
}

void World::set_service(const Event& event, bool out_of_service) {
  const std::vector<int> gpus = existing(event.gpus);
  update(
      Place{}, nullptr,
      [&](Pool& pool) {
        chg::set_service(pool, kRoot, gpus,
                         out_of_service ? std::optional<std::string>("fan") : std::nullopt);
      },
      [&](Model& model) {
        model.drain(gpus, out_of_service);
        return true;
      });
}

void World::set_policy(const Event& event) {
  ++counts_.policies;
  const Policy policy = policy_of(event.choice);
  update(
      event.place, nullptr,
      [&](Pool& pool) {
        pool.policy = policy;
        add_event(pool, EventKind::PolicyChanged, kRoot.account);
      },
      [&](Model& model) {
        model.set_policy(policy);
        return true;
      });
}

// What somebody shows, or would end, whose boot id is a container's own. Nobody else may lose by
// it.
void World::doubt(const Place& place) const {
  ++counts_.doubted;
  Pool shown = pool_;
  bring_up_to_date(shown, given(place));
  drop_gone_waiters(shown, given(place));
  for (const chg::Event& event : shown.events) {
    const int client = client_of(event.id);
    const Entry& entry = model_.entry(client);
    // A wall clock that is ahead by more than the host had run when it was granted can't be told
    // from a reboot.
    const Instant now = machine_.now(place);
    const bool seems_booted = entry.held && entry.held->started.wall < now.wall - now.boot &&
                              event.how == EndReason::Expired;
    if (event.kind == EventKind::Ended && !seems_booted)
      model_.require_over(client, *event.how, place);
    if (event.kind == EventKind::Returned &&
        !model_.is_ago(entry.held->started, std::chrono::seconds(10)))
      throw Violation("passed on too soon", event.id);
    const bool lives = machine_.is_alive(entry.process) &&
                       !model_.is_ago(entry.request.last_heartbeat, pool_.policy.heartbeat_timeout);
    if (event.kind == EventKind::Withdrawn && lives) throw Violation("dropped", event.id);
  }
}

void World::clear() {
  update(
      Place{}, nullptr, [&](Pool& pool) { chg::clear(pool, kRoot, machine_.now()); },
      [](Model& model) {
        model.clear();
        return true;
      });
}

void World::lose(bool all) {
  if (!all && !saved_) return;
  const Saved left =
      all ? Saved{new_pool(setup_), {}, {}, {machine_, setup_.gpus, setup_.policy}} : *saved_;
  snapshot_.reset();
  pool_ = left.pool;
  history_ = left.history;
  ledger_ = left.ledger;
  model_.lose(left.model);
}

void World::check_report(Duration period) const {
  const WallTime to = machine_.now().wall;
  const WallTime from = to - period;
  const Report told = add_up(history_, pool_.reservations, from, to, ReportBy::User);
  const std::chrono::duration<double, std::ratio<3600>> expected = model_.used_between(from, to);
  if (std::abs(told.total_gpu_hours - expected.count()) > 1e-6 * (1 + expected.count())) {
    throw Violation("report", fmt::format("{} GPU hours, and should be {}", told.total_gpu_hours,
                                          expected.count()));
  }
}

// Nothing that has ended may stay for longer than anybody can be silent.
void World::settle() {
  const std::vector<int> living = machine_.living();
  for (const int key : living) machine_.kill(key);
  for (int gpu = 0; gpu < setup_.gpus; ++gpu) machine_.set_fault(gpu, Fault::None);
  machine_.set_probe_fails(false);
  machine_.correct_clock();
  forget_inactive();
  const Place host;
  // Twice: after a reboot the boot clock may show just what it showed at a last heartbeat.
  for (int i = 0; i < 2; ++i) {
    machine_.advance(pool_.policy.heartbeat_timeout + milliseconds(1));
    const Sight sighting = machine_.look(host);
    update(
        host, sighting.get(), [&](Pool& pool) { drop_gone_waiters(pool, given(host)); },
        [&](Model& model) {
          model.drop_gone_waiters(host);
          return true;
        });
  }
  if (!pool_.queue.empty()) throw Violation("waits for ever", pool_.queue.front().id);
  for (const Reservation& reservation : pool_.reservations) {
    const bool lives_by_expiry = reservation.kind == ReservationKind::Manual && !reservation.holder;
    if (!lives_by_expiry) throw Violation("stays for ever", reservation.id);
  }
  check_report(std::chrono::hours(24 * 365));
  if (history_.size() != model_.records()) throw Violation("records", "some are lost");
}

}  // namespace chg::sim

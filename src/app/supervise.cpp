#include "app/supervise.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "app/own_reservation.h"
#include "base/error.h"
#include "base/poll.h"
#include "core/inner.h"
#include "core/protocol.h"
#include "core/reap.h"
#include "process/identity.h"
#include "process/job.h"
#include "process/job_end.h"
#include "process/memory.h"

namespace chg {
namespace {

// While the store is away, it is tried again after a pause that doubles up to this one.
constexpr std::chrono::seconds kPauseMax{10};

// Workers that end this soon after the command concern nobody.
constexpr std::chrono::milliseconds kSettling{500};

std::string signal_name(int signal) { return fmt::format("SIG{}", sigabbrev_np(signal)); }

class Supervisor {
 public:
  Supervisor(Context& context, const Supervision& supervision, RunTeller teller)
      : context_(context),
        supervision_(supervision),
        teller_(std::move(teller)),
        own_(supervision.reservation),
        started_(context.now()),
        last_try_(started_),
        interval_(supervision.heartbeat_interval),
        leftovers_grace_(supervision.leftovers_grace) {}

  // Before anybody relies on this supervisor: throws when it can't watch the command.
  void attach() {
    command_ = watch(*own_.holder);
    self_ = self_identity();
    take(own_, *self_);
    before_job_ = mark_pids();
  }

  void work() {
    watch_command();
    if (supervision_.leftovers == Leftovers::Kill) {
      end_members(SendsSignal::Occasion::IsLeftover);
      // What could not be ended was told of.
      teller_.close();
    }
    if (supervision_.leftovers != Leftovers::Release) keep_for_leftovers();
    teller_.close();
    std::optional<Duration> kept;
    persist([&] {
      change_own(context_, own_, JobState::Over, [&](Pool& pool, const Circumstances& given) {
        end_run(pool, own_.id, given.now);
        kept = pool.policy.history_kept;
      });
    });
    // Nobody waits for this process any more.
    context_.store().tidy_up();
    if (kept) forget_events(*kept);
  }

 private:
  // The next run that ends tries it again.
  void forget_events(Duration kept) {
    try {
      context_.store().forget_events(context_.now().wall - kept);
    } catch (const Error&) {
      context_.close_store();
    }
  }

  // From this process's memory: in the store others may have written.
  JobMarks job_marks() const {
    const Reservation& mine = supervision_.reservation;
    return {mine.id, *mine.holder, self_, before_job_, context_.caller().uid_here};
  }

  void watch_command() {
    bool timed_out = false;
    listen();
    while (command_) {
      Duration due = beat_due();
      if (supervision_.timeout && !timed_out) {
        due = std::min(due, *supervision_.timeout - age(started_, context_.now()));
      }
      enum class Event { CommandEnd, StoreLoss };
      const std::set<Event> met = wait_ready<Event>(
          {{Event::CommandEnd, command_.get()}, {Event::StoreLoss, loss_ ? loss_->fd() : -1}}, due,
          give_memory_back);
      if (met.contains(Event::CommandEnd)) return;
      if (met.contains(Event::StoreLoss)) note_loss();
      const bool is_late =
          supervision_.timeout && age(started_, context_.now()) >= *supervision_.timeout;
      if (is_late && !timed_out) {
        timed_out = true;
        // Best effort: the record of how it ended is worth less than the ending.
        note([](Reservation& mine, const Instant&) { time_out(mine); });
        end_members(SendsSignal::Occasion::TimeIsOver);
      }
      beat();
    }
  }

  void end_members(SendsSignal::Occasion occasion) {
    bool is_first = true;
    EndPlan plan{supervision_.grace, supervision_.first_signal, {}};
    plan.tell = [&](const EndStep& step) { tell(step, occasion, is_first); };
    end_job(job_marks(), plan, [&] { beat(); });
  }

  void tell(const EndStep& step, SendsSignal::Occasion occasion, bool& is_first) {
    std::vector<NamedProcess> processes = names_of(step.processes);
    if (processes.empty()) return;
    if (step.what == EndStep::What::OutOfReach) {
      const bool goes_on = occasion == SendsSignal::Occasion::TimeIsOver;
      return teller_.tell(
          OutOfReach{std::move(processes), goes_on ? own_.gpus : std::vector<int>()});
    }
    const std::string first = signal_name(supervision_.first_signal);
    SendsSignal news{occasion,
                     is_first,
                     signal_name(step.signal),
                     {},
                     {},
                     std::move(processes),
                     supervision_.timeout.value_or(Duration()),
                     step.left};
    if (step.what == EndStep::What::AskedDeaf) news.ignored = first;
    if (step.what == EndStep::What::AskedAgain) news.outlived = first;
    if (step.what == EndStep::What::Killed && !is_first) news.outlived = signal_name(SIGTERM);
    is_first = false;
    teller_.tell(news);
  }

  std::vector<NamedProcess> names_of(const std::vector<ProcessIdentity>& processes) const {
    return named(processes, context_.caller().uid_here);
  }

  Duration beat_due() const {
    return (pause_ > Duration::zero() ? std::min(pause_, interval_) : interval_) -
           age(last_try_, context_.now());
  }

  void beat() {
    if (beat_due() > Duration::zero()) return;
    last_try_ = context_.now();
    note([](Reservation& mine, const Instant& now) { chg::beat(mine, now); });
  }

  // From now on the supervisor hears when the connection is lost. A file has none.
  void listen() {
    if (context_.store_is_file()) return;
    try {
      if (!loss_) loss_ = context_.store().subscribe_to_loss();
    } catch (const Error&) {
      note_loss();
    }
    context_.close_store();
  }

  // Checks soon whether the store still has the reservation. The pid spreads the supervisors, so
  // that they don't all ask at the same moment.
  void note_loss() {
    loss_.reset();
    pause_ = std::chrono::milliseconds(100 + 25 * (::getpid() % 16));
    last_try_ = context_.now();
  }

  void note(const std::function<void(Reservation&, const Instant&)>& change) {
    if (is_over_) {
      pause_ = Duration::zero();
      return;
    }
    try {
      if (!loss_) loss_ = context_.store().subscribe_to_loss();
      const auto job = [this] { return job_state(); };
      const OwnChange made =
          change_own(context_, own_, job, [&](Pool& pool, const Circumstances& given) {
            change(*find_reservation(pool, own_.id), given.now);
            interval_ = pool.policy.heartbeat_interval;
          });
      // Whoever sets the pool up again signals it to those who still listen.
      made == OwnChange::NoPool ? lengthen_pause() : end_pause();
      is_over_ = made == OwnChange::Ended;
    } catch (const Error&) {
      loss_.reset();
      lengthen_pause();
    }
    context_.close_store();
  }

  void end_pause() { pause_ = Duration::zero(); }
  void lengthen_pause() {
    pause_ = std::clamp<Duration>(pause_ * 2, std::chrono::seconds(1), kPauseMax);
  }

  // Asks the kernel, whatever others may have concluded from its silence.
  JobState job_state() const {
    const bool has_ended = !command_ || wait_ready({command_.get()}, Duration::zero())[0];
    return has_ended ? JobState::Over : JobState::Running;
  }

  // Returns when no process of the job lives any more, or when the grace is over and none of them
  // uses the GPUs. These are only read while some process of the job lives. What should have been
  // ended, and could not be, has no grace.
  void keep_for_leftovers() {
    const Instant ended = context_.now();
    std::vector<ProcessIdentity> known = job_members(job_marks());
    wait_for_all_ends(known, kSettling);
    bool is_told = false;
    while (!is_over_) {
      known = members_with(known, job_marks());
      if (known.empty()) return;
      const JobUse use = use_by(known);
      const Duration left =
          grace_left(supervision_.leftovers, age(ended, context_.now()), leftovers_grace_);
      const std::vector<ProcessIdentity> keeping = keeping_leftovers(known, use, left);
      if (keeping.empty()) return;
      // Once: nobody is disturbed by it at his terminal later.
      if (!std::exchange(is_told, true)) tell_of_leftovers(known, use);
      note([&](Reservation& mine, const Instant&) { mine.leftovers = keeping; });
      // A process may also free its GPU memory and live on, which only a new reading shows.
      const Duration reading_due = std::chrono::seconds(10);
      wait_for_an_end(keeping, left > Duration::zero() ? std::min(left, beat_due()) : reading_due);
      // Jobs in a shell end every moment; that needs no reading each time.
      wait_for_all_ends(keeping, std::chrono::seconds(1));
      beat();
    }
  }

  void tell_of_leftovers(const std::vector<ProcessIdentity>& living, const JobUse& use) {
    const bool is_used = !use.processes.empty();
    std::vector<NamedProcess> processes = names_of(is_used ? use.processes : living);
    const bool is_inner = depth_of(own_.id) > 0;
    if (is_used) {
      teller_.tell(KeepsGpus{std::move(processes), own_.gpus, use.gpus, is_inner});
    } else {
      teller_.tell(LivesOn{std::move(processes), own_.gpus, leftovers_grace_, is_inner});
    }
    teller_.close();
  }

  // By these members of the job; by all of them while that can't be seen.
  JobUse use_by(const std::vector<ProcessIdentity>& members) {
    try {
      const Observation observation = context_.read_gpus();
      const Pool pool = context_.store().read();
      if (find_reservation(pool, own_.id) != nullptr) {
        leftovers_grace_ = pool.policy.leftovers_grace;
      }
      return use_by_members(members, own_, pool, observation);
    } catch (const Error&) {
      return {members, {}};
    }
  }

  // Retries the action until it succeeds, less and less often: a full disk does not stay full, and
  // rights come back. Gives up when the store is gone or damaged: it has no reservation to end.
  template <typename Action>
  void persist(const Action& action) {
    for (std::chrono::seconds pause{1};; pause = std::min(pause * 2, kPauseMax)) {
      try {
        return action();
      } catch (const Error& error) {
        context_.close_store();
        if (!error.is_transient() && error.kind() != ErrorKind::NotPermitted) return;
        wait_ready({}, pause);
      }
    }
  }

  Context& context_;
  const Supervision& supervision_;
  RunTeller teller_;
  Reservation own_;  ///< as it was last seen in the pool
  std::optional<ProcessIdentity> self_;
  UniqueFd command_;  ///< empty: it had ended before it could be watched
  std::optional<PidMark> before_job_;
  Instant started_;
  Instant last_try_;                    ///< to tell of this run
  Duration interval_;                   ///< between heartbeats, as the policy was when last read
  Duration leftovers_grace_;            ///< likewise
  Duration pause_{};                    ///< until it is tried again; zero: the store is there
  bool is_over_ = false;                ///< somebody ended the reservation while the job goes on
  std::unique_ptr<Subscription> loss_;  ///< nullptr: the store is away, or is a file
};

OwnChange record(Context& context, Reservation own, const ProcessIdentity& supervisor) {
  const OwnChange made =
      change_own(context, own, JobState::NotBegun, [&](Pool& pool, const Circumstances& given) {
        begin_run(pool, own.id, supervisor, given.now);
      });
  if (made == OwnChange::NoPool) throw lost_pool();
  return made;
}

}  // namespace

OwnChange record_supervisor(Context& context, const Reservation& reservation,
                            const ProcessIdentity& supervisor, Duration patience,
                            const std::function<void(const Error&)>& troubled) {
  const Instant started = context.now();
  std::string told;
  // The command has not begun, so it loses nothing by waiting.
  while (true) {
    try {
      return record(context, reservation, supervisor);
    } catch (const Error& error) {
      context.close_store();
      if (!error.is_transient() || age(started, context.now()) >= patience) throw;
      if (told != error.what()) troubled(error);
      told = error.what();
      wait_ready({}, std::chrono::milliseconds(500));
    }
  }
}

void supervise(Context& context, const Supervision& supervision, RunTeller teller,
               const std::function<void()>& ready) {
  Supervisor supervisor(context, supervision, std::move(teller));
  supervisor.attach();
  ready();
  supervisor.work();
}

}  // namespace chg

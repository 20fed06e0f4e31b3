-- The pool and its history, version 3.
--
-- Composite values are short texts, so that a row reads well in the sqlite3 shell:
--   instant   "WALL BOOT BOOT_ID"   nanoseconds since 1970, nanoseconds since boot, the boot's id
--   process   "PID START_TICKS PID_NAMESPACE BOOT_ID HOST"
--   gpus      "0,2,3"
-- Times that people named (expiries) and times of the history are nanoseconds since 1970, UTC.

CREATE TABLE host (
  one          INTEGER PRIMARY KEY CHECK (one = 1),
  provider     TEXT NOT NULL,            -- nvidia, amd, fake
  admin_group  TEXT NOT NULL,            -- '' for root alone
  creator_uid  INTEGER NOT NULL,
  next_arrival INTEGER NOT NULL,
  name         TEXT NOT NULL,            -- of the host
  boot_id      TEXT NOT NULL             -- of its boot when it was last seen
);

CREATE TABLE gpu (
  gpu            INTEGER PRIMARY KEY,    -- index in PCI bus order
  uuid           TEXT NOT NULL,
  model          TEXT NOT NULL,
  out_of_service TEXT,                   -- the note given with --drain
  last_released  TEXT,                   -- instant
  obstacle       TEXT,                   -- unreserved_use, error
  obstacle_seen  TEXT,                   -- instant
  obstacle_what  TEXT,
  obstacle_uids  TEXT,                   -- "1000,1001"
  last_used_by   TEXT NOT NULL           -- "UID:NANOSECONDS UID:NANOSECONDS"
);

CREATE TABLE reservation (
  id             TEXT PRIMARY KEY,
  uid            INTEGER NOT NULL,
  account        TEXT NOT NULL,
  label          TEXT NOT NULL,
  note           TEXT NOT NULL,
  kind           TEXT NOT NULL,          -- run, manual
  gpus           TEXT NOT NULL,
  started        TEXT NOT NULL,          -- instant
  last_heartbeat TEXT NOT NULL,          -- instant
  ends           INTEGER,                -- manual: expiry; run: when --timeout strikes
  holder         TEXT,                   -- process
  supervisor     TEXT,                   -- process
  leftovers      TEXT NOT NULL,          -- processes, a line each
  ending         TEXT,                   -- as usage.how
  lost           TEXT NOT NULL           -- GPUs that others have, though its job goes on there
) WITHOUT ROWID;

CREATE TABLE request (
  id             TEXT PRIMARY KEY,
  arrival        INTEGER NOT NULL UNIQUE,
  uid            INTEGER NOT NULL,
  account        TEXT NOT NULL,
  label          TEXT NOT NULL,
  note           TEXT NOT NULL,
  kind           TEXT NOT NULL,
  count          INTEGER NOT NULL,
  gpus           TEXT NOT NULL,          -- '' for any
  forced         INTEGER NOT NULL,
  duration       INTEGER,                -- nanoseconds
  enqueued       TEXT NOT NULL,          -- instant
  last_heartbeat TEXT NOT NULL,          -- instant
  waiter         TEXT NOT NULL           -- process
) WITHOUT ROWID;

-- Requests that were cancelled, until their waiters have noticed.
CREATE TABLE cancelled (
  id             TEXT NOT NULL,
  waiter         TEXT NOT NULL,          -- process
  last_heartbeat TEXT NOT NULL           -- instant
);

-- One row for each GPU of each ended reservation.
CREATE TABLE usage (
  reservation TEXT NOT NULL,
  gpu         INTEGER NOT NULL,
  uid         INTEGER NOT NULL,
  account     TEXT NOT NULL,
  label       TEXT NOT NULL,
  kind        TEXT NOT NULL,
  started     INTEGER NOT NULL,
  ended       INTEGER NOT NULL,
  how         TEXT NOT NULL              -- finished, released, expired, timed_out, killed, lost, cleared
);

CREATE INDEX usage_by_end ON usage (ended);

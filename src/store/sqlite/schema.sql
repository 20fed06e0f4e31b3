-- The pool and what has happened to it, version 4.

-- What the pool is now: a record for each thing in it (records.h says what is in them).
--   settings, policy, cancelled, gpu:N, reservation:ID, request:ID   JSON
--   provider, identity                                       a short text
-- One table of two columns: each command reads all of it, and SQLite spends more time on the names
-- of columns than on what is in them.
CREATE TABLE pool (
  field  TEXT PRIMARY KEY,
  record TEXT NOT NULL
) WITHOUT ROWID;

-- The events (core/events.h), as JSON. `serial` tells their order, and the time without an index:
-- nanoseconds since 1970 (UTC) when the event took effect, or one more than the serial before it
-- where that is not later.
CREATE TABLE events (
  serial INTEGER PRIMARY KEY,
  is_end INTEGER NOT NULL,  -- 1: the event is an end, and makes usage records
  record TEXT NOT NULL
);

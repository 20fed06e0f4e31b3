-- The pool and its history, version 4.

-- What the pool is now: a record for each thing in it (records.h says what is in them).
--   settings, policy, cancelled, gpu:N, reservation:ID, request:ID   JSON
--   provider, identity                                       a short text
-- One table of two columns: each command reads all of it, and SQLite spends more time on the names
-- of columns than on what is in them.
CREATE TABLE pool (
  field  TEXT PRIMARY KEY,
  record TEXT NOT NULL
) WITHOUT ROWID;

-- One row for each GPU of each ended reservation. Times are nanoseconds since 1970, UTC;
-- how: finished, released, expired, timed_out, killed, lost, cleared.
CREATE TABLE usage (
  reservation TEXT NOT NULL,
  gpu         INTEGER NOT NULL,
  uid         INTEGER NOT NULL,
  account     TEXT NOT NULL,
  label       TEXT NOT NULL,
  kind        TEXT NOT NULL,
  started     INTEGER NOT NULL,
  ended       INTEGER NOT NULL,
  how         TEXT NOT NULL
);

CREATE INDEX usage_by_end ON usage (ended);

// What makes a database of each version of schema.sql one of the next.
#pragma once

namespace chg::sqlite_migrations {

inline constexpr const char* kToVersion2 =
    "ALTER TABLE reservation ADD COLUMN lost TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE cancelled (id TEXT NOT NULL, waiter TEXT NOT NULL, last_heartbeat TEXT NOT NULL);"
    "PRAGMA user_version = 2";

inline constexpr const char* kToVersion3 =
    "ALTER TABLE host ADD COLUMN name TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE host ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';"
    "PRAGMA user_version = 3";

// The columns of five tables become the members of records; json_patch leaves out those that are
// NULL.
inline constexpr const char* kToVersion4 = R"sql(
CREATE TABLE pool (field TEXT PRIMARY KEY, record TEXT NOT NULL) WITHOUT ROWID;

INSERT INTO pool SELECT 'settings', json_object(
  'version', 1, 'admin_group', admin_group, 'creator_uid', creator_uid,
  'next_arrival', next_arrival, 'gpus', (SELECT json_group_array(gpu) FROM gpu)) FROM host;
INSERT INTO pool SELECT 'provider', provider FROM host;
INSERT INTO pool SELECT 'identity', boot_id || ' ' || name FROM host WHERE name <> '';

INSERT INTO pool SELECT 'gpu:' || gpu, json_patch('{}', json_object(
  'uuid', uuid, 'model', model, 'last_used_by', last_used_by, 'out_of_service', out_of_service,
  'last_released', last_released,
  'obstacle', json(CASE WHEN obstacle IS NOT NULL THEN json_object(
    'kind', obstacle, 'seen', obstacle_seen, 'what', obstacle_what,
    'uids', json('[' || obstacle_uids || ']')) END))) FROM gpu;

INSERT INTO pool SELECT 'reservation:' || id, json_patch('{}', json_object(
  'uid', uid, 'account', account, 'label', nullif(label, ''), 'note', nullif(note, ''),
  'kind', kind, 'gpus', json('[' || gpus || ']'), 'started', started,
  'last_heartbeat', last_heartbeat, 'ends', ends, 'holder', holder, 'supervisor', supervisor,
  'leftovers', nullif(leftovers, ''), 'ending', ending,
  'lost', json('[' || nullif(lost, '') || ']'))) FROM reservation;

INSERT INTO pool SELECT 'request:' || id, json_patch('{}', json_object(
  'arrival', arrival, 'uid', uid, 'account', account, 'label', nullif(label, ''),
  'note', nullif(note, ''), 'kind', kind, 'count', count, 'gpus', json('[' || gpus || ']'),
  'force', json(CASE WHEN forced THEN 'true' ELSE 'false' END), 'duration', duration,
  'enqueued', enqueued, 'last_heartbeat', last_heartbeat, 'waiter', waiter)) FROM request;

INSERT INTO pool SELECT 'cancelled', json_object('requests', json_group_array(json_object(
  'id', id, 'waiter', waiter, 'last_heartbeat', last_heartbeat))) FROM cancelled
  HAVING count(*) > 0;

DROP TABLE host; DROP TABLE gpu; DROP TABLE reservation; DROP TABLE request; DROP TABLE cancelled;
PRAGMA user_version = 4;
)sql";

}  // namespace chg::sqlite_migrations

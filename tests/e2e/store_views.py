"""The records of an embedded store as tables with columns, for the tests that look into it and, now
and then, change what it says."""

import sqlite3

TEXTS = {
    "gpu": ["uuid", "model", "out_of_service", "last_released", "last_used_by"],
    "reservation": ["uid", "account", "label", "note", "kind", "started", "last_heartbeat", "ends",
                    "holder", "supervisor", "leftovers", "ending"],
    "request": ["arrival", "uid", "account", "label", "note", "kind", "count", "force", "duration",
                "enqueued", "last_heartbeat", "waiter"]}
LISTS = {"gpu": [], "reservation": ["gpus", "lost"], "request": ["gpus"]}  # "0,2"
IDS = {"gpu": "CAST(substr(field, 5) AS INTEGER) AS gpu", "reservation": "substr(field, 13) AS id",
       "request": "substr(field, 9) AS id"}


# Texts that are empty where a record lacks them; any other column is NULL.
EMPTY = {"label", "note", "leftovers", "lost"}
HOST = """CREATE TEMP VIEW host AS
    SELECT (SELECT record FROM pool WHERE field = 'provider') AS provider,
           record ->> 'next_arrival' AS next_arrival,
           coalesce((SELECT substr(record, instr(record, ' ') + 1) FROM pool
                     WHERE field = 'identity'), '') AS name,
           coalesce((SELECT substr(record, 1, instr(record, ' ') - 1) FROM pool
                     WHERE field = 'identity'), '') AS boot_id
    FROM pool WHERE field = 'settings'"""

USAGE = """CREATE TEMP VIEW usage AS
    SELECT record ->> 'id' AS reservation, one.value AS gpu, record ->> 'uid' AS uid,
           record ->> 'account' AS account, coalesce(record ->> 'label', '') AS label,
           coalesce(record ->> 'kind', 'run') AS kind, record ->> 'started' AS started,
           record ->> 'at' AS ended, record ->> 'how' AS how
    FROM events, json_each(record, '$.gpus') AS one WHERE is_end ORDER BY serial, one.value"""
# As the program would write it.
NEW_USAGE = """CREATE TEMP TRIGGER usage_insert INSTEAD OF INSERT ON usage BEGIN
    INSERT INTO events VALUES (
        max(NEW.ended, 1 + coalesce((SELECT max(serial) FROM events), 0)), 1,
        json_patch('{}', json_object(
            'event', 'ended', 'at', NEW.ended, 'id', NEW.reservation, 'uid', NEW.uid,
            'account', NEW.account, 'label', nullif(NEW.label, ''),
            'kind', nullif(NEW.kind, 'run'), 'gpus', json_array(NEW.gpu),
            'started', NEW.started, 'how', NEW.how))); END"""


def view(name):
    texts = [f"coalesce(record ->> '{text}', '') AS {text}" if text in EMPTY else
             f"record ->> '{text}' AS {text}" for text in TEXTS[name]]
    lists = [f"trim(coalesce(record ->> '{one}', ''), '[]') AS {one}" for one in LISTS[name]]
    return (f"CREATE TEMP VIEW {name} AS SELECT {', '.join([IDS[name]] + texts + lists)} "
            f"FROM pool WHERE field LIKE '{name}:%'")


def new(column):
    """The value that a record gets for it."""
    if column == "force":
        return "json(iif(NEW.force, 'true', 'false'))"
    return f"nullif(NEW.{column}, '')" if column in EMPTY else f"NEW.{column}"


def trigger(name):
    """What is NULL or empty is left out of the record."""
    id = IDS[name].split()[-1]
    values = [f"'{text}', {new(text)}" for text in TEXTS[name]]
    values += [f"'{one}', json('[' || NEW.{one} || ']')" for one in LISTS[name]]
    return (f"CREATE TEMP TRIGGER {name}_update INSTEAD OF UPDATE ON {name} BEGIN UPDATE pool "
            f"SET field = '{name}:' || NEW.{id}, "
            f"record = json_patch(record, json_object({', '.join(values)})) "
            f"WHERE field = '{name}:' || OLD.{id}; END")


class Connection(sqlite3.Connection):
    """Makes the views when it is first asked for anything: until then it opens no file."""

    has_views = False

    def execute(self, *sql_and_values):
        if not self.has_views:
            self.has_views = True
            for sql in (HOST, USAGE, NEW_USAGE):
                super().execute(sql)
            for name in TEXTS:
                super().execute(view(name))
                super().execute(trigger(name))
        return super().execute(*sql_and_values)

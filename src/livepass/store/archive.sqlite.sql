-- The database as a whole, on SQLite. What differs per table is put together here, where names are quoted, and run as it
-- comes back: so a table's columns are always those that it has.

-- name: layout
-- Each table: its columns with their types, how to read it, fill it, empty it, look whether anything is in it; and the
-- last id that it has given away.
SELECT m.name,
       (SELECT json_group_array(json_array(c.name, c.type)) FROM (SELECT name, type FROM pragma_table_info(m.name) ORDER BY cid) c),
       printf('SELECT * FROM "%w"', m.name),
       printf('INSERT INTO "%w" VALUES (%s)', m.name, (SELECT group_concat('?', ', ') FROM pragma_table_info(m.name))),
       printf('DELETE FROM "%w"', m.name),
       printf('SELECT 1 FROM "%w" LIMIT 1', m.name),
       (SELECT q.seq FROM sqlite_sequence q WHERE q.name = m.name)
  FROM sqlite_schema m
 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
 ORDER BY m.name;

-- name: indexes
-- How to drop each index and how to make it again. A key's own index has no statement and stays.
SELECT printf('DROP INDEX "%w"', name), sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name;

-- name: assumed
-- What the planner is to assume; dropping an index forgets it.
SELECT tbl, idx, stat FROM sqlite_stat1;

-- name: forget_assumed
DELETE FROM sqlite_stat1;

-- name: assume
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?);

-- name: raise_last_id
-- An id that was given away is not given away again.
UPDATE sqlite_sequence SET seq = max(seq, :id) WHERE name = :table;

-- name: begin_ids
INSERT INTO sqlite_sequence (name, seq) SELECT :table, :id WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :table);

-- The database as a whole, on PostgreSQL. What differs per table is put together here, where names are quoted, and run
-- as it comes back: so a table's columns are always those that it has.

-- name: layout
-- Each table: its columns with their types, how to read it in the order of its key, how to empty it, look whether
-- anything is in it; and the last id that it has given away. Filling is COPY, which needs no statement.
SELECT c.relname,
       json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod)) ORDER BY a.attnum)::text,
       format('SELECT %s FROM %I ORDER BY %s', string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum), c.relname,
              (SELECT string_agg(quote_ident(k.attname), ', ' ORDER BY array_position(i.indkey::int2[], k.attnum))
                 FROM pg_index i JOIN pg_attribute k ON k.attrelid = i.indrelid AND k.attnum = ANY (i.indkey)
                WHERE i.indrelid = c.oid AND i.indisprimary)),
       '',
       format('DELETE FROM %I', c.relname),
       format('SELECT 1 FROM %I LIMIT 1', c.relname),
       (SELECT pg_sequence_last_value(s.oid) FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
         WHERE d.classid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype = 'i')
  FROM pg_class c
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (:tables)
 GROUP BY c.oid, c.relname
 ORDER BY c.relname;

-- name: locking
-- One statement that keeps everybody else out until the commit.
SELECT format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', string_agg(quote_ident(c.relname), ', ' ORDER BY c.relname))
  FROM pg_class c
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (:tables);

-- name: is_taken
SELECT 1 WHERE to_regnamespace(quote_ident(:set_aside)) IS NOT NULL;

-- name: setting_aside
-- A schema for what is set aside.
SELECT format('CREATE SCHEMA %I', :set_aside);

-- name: moving
-- The statements that move every table there; indexes and sequences go with their table.
SELECT format('ALTER TABLE %I SET SCHEMA %I', c.relname, :set_aside)
  FROM pg_class c
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (:tables);

-- name: indexes
-- How to drop each index and how to make it again. A key's own index stays.
SELECT format('DROP INDEX %I', x.relname), pg_get_indexdef(x.oid)
  FROM pg_index i
  JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_class c ON c.oid = i.indrelid
 WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (:tables)
   AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = x.oid)
 ORDER BY x.relname;

-- name: raise_last_id
-- An id that was given away is not given away again.
SELECT setval(s.oid::regclass, greatest(:after, pg_sequence_last_value(s.oid), 1))
  FROM pg_depend d
  JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  JOIN pg_class c ON c.oid = d.refobjid
 WHERE d.classid = 'pg_class'::regclass AND d.deptype = 'i' AND c.relnamespace = current_schema()::regnamespace
   AND c.relname = :table;

-- name: analyzing
-- The planner knows nothing of what was loaded in this transaction.
SELECT format('ANALYZE %s', string_agg(quote_ident(c.relname), ', ' ORDER BY c.relname))
  FROM pg_class c
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace AND c.relname = ANY (:tables);

-- name: look_into
-- Data that was set aside is found by the same names.
SELECT set_config('search_path', quote_ident(:set_aside), true);

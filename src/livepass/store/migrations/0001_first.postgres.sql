-- Rows that are updated often get room beside them, so that an update need not touch an index (HOT).
ALTER TABLE counter SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
ALTER TABLE device SET (fillfactor = 80);
ALTER TABLE registration SET (fillfactor = 80);
ALTER TABLE push_target SET (fillfactor = 70);
ALTER TABLE process SET (fillfactor = 20);
ALTER TABLE event SET (autovacuum_vacuum_insert_scale_factor = 0.05);

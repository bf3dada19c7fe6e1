-- A value that is no number has a mark of its own.
ALTER TABLE metrics ADD COLUMN is_nan BOOLEAN DEFAULT '0' NOT NULL;
ALTER TABLE metrics DROP CONSTRAINT metric_pk;
ALTER TABLE metrics ADD CONSTRAINT metric_pk PRIMARY KEY ("key", "timestamp", step, run_uuid, value, is_nan);

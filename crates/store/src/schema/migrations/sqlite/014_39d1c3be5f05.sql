-- SQLite has no type for truth: a check keeps other numbers out. PostgreSQL has, and needs none.
CREATE TABLE ferroflow_new_latest_metrics (
    "key" VARCHAR(250) NOT NULL,
    value FLOAT NOT NULL,
    timestamp BIGINT,
    step BIGINT NOT NULL,
    is_nan BOOLEAN NOT NULL,
    run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid),
    FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid),
    CHECK (is_nan IN (0, 1))
);
INSERT INTO ferroflow_new_latest_metrics ("key", value, timestamp, step, is_nan, run_uuid)
SELECT "key", value, timestamp, step, is_nan, run_uuid FROM latest_metrics;
DROP TABLE latest_metrics;
ALTER TABLE ferroflow_new_latest_metrics RENAME TO latest_metrics;


CREATE TABLE ferroflow_new_metrics (
    "key" VARCHAR(250) NOT NULL,
    value FLOAT NOT NULL,
    timestamp BIGINT NOT NULL,
    run_uuid VARCHAR(32) NOT NULL,
    step BIGINT DEFAULT '0' NOT NULL,
    is_nan BOOLEAN DEFAULT '0' NOT NULL,
    CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value, is_nan),
    FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid),
    CHECK (is_nan IN (0, 1))
);
INSERT INTO ferroflow_new_metrics ("key", value, timestamp, run_uuid, step, is_nan)
SELECT "key", value, timestamp, run_uuid, step, is_nan FROM metrics;
DROP TABLE metrics;
ALTER TABLE ferroflow_new_metrics RENAME TO metrics;

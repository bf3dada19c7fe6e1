-- A key may be logged at several steps: the step becomes a part of the key.
CREATE TABLE ferroflow_new_metrics (
    "key" VARCHAR(250) NOT NULL,
    value FLOAT NOT NULL,
    timestamp BIGINT NOT NULL,
    run_uuid VARCHAR(32) NOT NULL,
    step BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT metric_pk PRIMARY KEY ("key", timestamp, step, run_uuid, value),
    FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);
INSERT INTO ferroflow_new_metrics ("key", value, timestamp, run_uuid)
SELECT "key", value, timestamp, run_uuid FROM metrics;
DROP TABLE metrics;
ALTER TABLE ferroflow_new_metrics RENAME TO metrics;

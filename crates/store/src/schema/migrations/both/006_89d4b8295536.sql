CREATE TABLE latest_metrics (
    "key" VARCHAR(250) NOT NULL,
    value FLOAT NOT NULL,
    timestamp BIGINT,
    step BIGINT NOT NULL,
    is_nan BOOLEAN NOT NULL,
    run_uuid VARCHAR(32) NOT NULL,
    CONSTRAINT latest_metric_pk PRIMARY KEY ("key", run_uuid),
    FOREIGN KEY(run_uuid) REFERENCES runs (run_uuid)
);

-- The latest point of each metric: by step, then by time; the largest value where these are the same.
INSERT INTO latest_metrics ("key", value, timestamp, step, is_nan, run_uuid)
SELECT "key", value, timestamp, step, is_nan, run_uuid
FROM (
    SELECT "key", value, timestamp, step, is_nan, run_uuid,
           ROW_NUMBER() OVER (
               PARTITION BY run_uuid, "key" ORDER BY step DESC, timestamp DESC, value DESC, is_nan
           ) AS place
    FROM metrics
) AS points
WHERE place = 1;

-- Who started a run is a tag from now on. A tag that is there already stays. MLflow's own step looks at one run of each
-- experiment only, and forgets the users of the others.
INSERT INTO tags ("key", value, run_uuid)
SELECT 'mlflow.user', user_id, run_uuid FROM runs
WHERE user_id <> ''
  AND NOT EXISTS (SELECT 1 FROM tags WHERE tags.run_uuid = runs.run_uuid AND tags."key" = 'mlflow.user');

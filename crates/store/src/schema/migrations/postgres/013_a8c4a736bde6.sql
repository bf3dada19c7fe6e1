-- A model version need not come from a run.
ALTER TABLE model_versions ALTER COLUMN run_id DROP NOT NULL;

ALTER TABLE model_versions ADD COLUMN run_link VARCHAR(500);

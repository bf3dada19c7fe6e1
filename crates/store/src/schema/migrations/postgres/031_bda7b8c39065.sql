-- Values of a model version's tags have no limit.
ALTER TABLE model_version_tags ALTER COLUMN value TYPE TEXT;

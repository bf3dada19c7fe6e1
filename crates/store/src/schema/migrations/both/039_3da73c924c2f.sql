ALTER TABLE evaluation_dataset_records ADD COLUMN outputs JSON;

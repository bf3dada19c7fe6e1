-- The data sets of an experiment are deleted with it. The rule was made without a name, so it is found by what it says.
DO $$
DECLARE
    rule text;
BEGIN
    SELECT conname INTO STRICT rule FROM pg_constraint
    WHERE contype = 'f' AND conrelid = 'datasets'::regclass AND confrelid = 'experiments'::regclass;
    EXECUTE format('ALTER TABLE datasets DROP CONSTRAINT %I', rule);
END
$$;
ALTER TABLE datasets ADD CONSTRAINT fk_datasets_experiment_id_experiments
    FOREIGN KEY (experiment_id) REFERENCES experiments (experiment_id) ON DELETE CASCADE;

-- Values of params may have 500 characters.
ALTER TABLE params ALTER COLUMN value TYPE VARCHAR(500);

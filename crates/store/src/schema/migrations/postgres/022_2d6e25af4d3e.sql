-- Values of params may have 8,000 characters.
ALTER TABLE params ALTER COLUMN value TYPE VARCHAR(8000);

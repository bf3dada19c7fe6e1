-- Values of tags may have 8,000 characters.
ALTER TABLE tags ALTER COLUMN value TYPE VARCHAR(8000);

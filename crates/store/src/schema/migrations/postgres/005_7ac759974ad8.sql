-- Values of tags may have 5,000 characters.
ALTER TABLE tags ALTER COLUMN value TYPE VARCHAR(5000);

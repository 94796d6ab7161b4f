ALTER TABLE books DROP COLUMN format;
DROP TYPE book_format;

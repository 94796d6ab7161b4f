ALTER TABLE books ADD COLUMN slug text;

-- Every book that is there gets one: `Pride and Prejudice` becomes `pride-and-prejudice`.
UPDATE books
SET slug = trim(BOTH '-' FROM regexp_replace(lower(title), '[^a-z0-9]+', '-', 'g'));

ALTER TABLE books ALTER COLUMN slug SET NOT NULL;
ALTER TABLE books ADD CONSTRAINT books_slug_key UNIQUE (slug);

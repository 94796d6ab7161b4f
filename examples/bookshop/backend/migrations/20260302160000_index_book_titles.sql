-- Built without locking the shop out. CONCURRENTLY refuses a transaction: it is alone in its file.
CREATE INDEX CONCURRENTLY books_title_idx ON books (lower(title));

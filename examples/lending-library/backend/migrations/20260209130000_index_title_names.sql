-- Built without locking the readers out. CONCURRENTLY refuses a transaction: it is alone in its file.
CREATE INDEX CONCURRENTLY titles_name_idx ON titles (lower(name));

DELETE FROM titles WHERE id IN (1, 2, 3);
SELECT setval(pg_get_serial_sequence('titles', 'id'), 1, false);

COPY titles (id, name, author, published) FROM stdin;
1	Middlemarch	George Eliot	1871
2	The Dispossessed; an ambiguous utopia	Ursula K. Le Guin	1974
3	Gilgamesh	unknown	\N
\.

-- COPY brought its own ids; the next one comes after them.
SELECT setval(pg_get_serial_sequence('titles', 'id'), (SELECT max(id) FROM titles));

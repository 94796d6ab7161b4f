-- The first shelf. COPY reads the lines below it up to the backslash and dot.
COPY authors (id, name, born) FROM stdin;
1	Jane Austen	1775-12-16
2	Stanisław Lem	1921-09-12
3	Ursula K. Le Guin	1929-10-21
4	Homer	\N
\.

COPY books (id, author_id, title, isbn, price_cents, stock, published_on, format) FROM stdin;
1	1	Pride and Prejudice	9780141439518	899	12	1813-01-28	paperback
2	1	Emma	9780141439587	899	5	1815-12-23	paperback
3	2	Solaris	9780156027601	1499	7	1961-01-01	hardcover
4	3	The Left Hand of Darkness; a novel	9780441478125	1199	3	1969-03-01	paperback
5	4	The Odyssey	\N	0	999	\N	ebook
\.

-- COPY brought its own ids; the next ones come after them.
SELECT setval(pg_get_serial_sequence('authors', 'id'), (SELECT max(id) FROM authors));
SELECT setval(pg_get_serial_sequence('books', 'id'), (SELECT max(id) FROM books));

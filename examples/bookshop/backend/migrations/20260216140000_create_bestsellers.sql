CREATE VIEW bestsellers AS
SELECT
    books.id,
    books.title,
    authors.name AS author,
    coalesce(sum(order_lines.quantity), 0) AS sold
FROM books
JOIN authors ON authors.id = books.author_id
LEFT JOIN order_lines ON order_lines.book_id = books.id
GROUP BY books.id, books.title, authors.name
ORDER BY sold DESC, books.title;

COMMENT ON VIEW bestsellers IS 'All books, the one sold most often first.';

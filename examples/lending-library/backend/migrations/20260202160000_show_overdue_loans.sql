CREATE VIEW overdue AS
SELECT loans.id, members.email, titles.name, current_date - loans.due AS days
FROM loans
JOIN members ON members.id = loans.member_id
JOIN copies ON copies.id = loans.copy_id
JOIN titles ON titles.id = copies.title_id
WHERE loans.returned IS NULL AND loans.due < current_date;

DROP TABLE copies;
DROP TABLE titles;

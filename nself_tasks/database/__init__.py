"""The only package that imports psycopg or starts a Postgres program."""

"""Postgres servers that we start ourselves: the embedded target and throw-away scratch servers."""

"""PURE: migration files as text: names, pairs, statements, checksums."""

"""PURE: format-preserving reading and editing of project files."""

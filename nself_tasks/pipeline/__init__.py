"""The task graph: the only package that imports doit."""

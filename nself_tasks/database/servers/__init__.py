"""Postgres servers that we start ourselves: the embedded target and throw-away scratch servers.

binaries ─► ownership ─► cluster ─► embedded ─► planning_copy
(which)     (as whom)      └──────► scratch ────────┘
"""

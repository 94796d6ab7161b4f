"""A law is held or not; how long an example takes says something about the machine only."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("laws", deadline=None)
settings.load_profile("laws")

"""Keeps the project's own files out of Python's search for modules.

`python -m nself_tasks` puts the current folder first, PYTHONPATH=. anywhere: a `yaml.py` of the
project would be run in the place of the library.
"""

from __future__ import annotations

import os
import sys

_HOME = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120


def without_current_folder() -> None:
    """Take the current folder off the path, unless this package itself is there."""
    here = os.path.realpath(os.curdir)
    if here == os.path.realpath(_HOME):
        return
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry) != here]

"""Plugin manifests of both formats, and folders of them on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_V1: dict[str, Any] = {
    "name": "shop-sync",
    "version": "1.2.0",
    "description": "Keeps the shop in step",
    "author": "ada",
    "license": "MIT",
    "homepage": "https://example.org",
    "repository": "https://example.org/r",
    "minNselfVersion": "0.9.9",
    "category": "commerce",
}


def manifest(**also: Any) -> str:
    """A v1 manifest, with more in it."""
    return json.dumps({**_V1, **also}, indent=4) + "\n"


V1 = manifest()
V2 = json.dumps(
    {
        **_V1,
        "manifest_version": 2,
        "license": "free",
        "maturity": "implemented",
        "service": {"kind": "library"},
    }
)


def write(folder: Path, name: str, text: str = V1, *, file: str = "plugin.json") -> Path:
    """Put a plugin into a folder of plugins; gives its manifest."""
    path = folder / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path

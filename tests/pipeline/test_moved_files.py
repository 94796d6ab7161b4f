"""A file that goes to another place keeps its bytes and its mode."""

from __future__ import annotations

import hashlib
from pathlib import Path

import nginx_projects as projects

from nself_tasks.discovery import find_project
from nself_tasks.pipeline import upgrade_plan

KEY = bytes(range(1, 256)) * 3


def test_a_key_that_is_no_text_is_moved_byte_for_byte_with_its_mode(tmp_path: Path) -> None:
    for name, text in projects.early().items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    key = tmp_path / "nginx" / "ssl" / "nself.org.key"
    key.parent.mkdir()
    key.write_bytes(KEY)
    key.chmod(0o600)
    plan = upgrade_plan.scan(find_project(tmp_path, tmp_path))
    entries = {entry.path: entry for entry in plan.entries}
    new = entries["ssl/certificates/nself-org/privkey.pem"]
    assert plan.texts[new.path] == KEY
    assert (new.before, new.after, new.mode) == (None, hashlib.sha256(KEY).hexdigest(), 0o600)
    assert entries["nginx/ssl/nself.org.key"].after is None


def test_a_site_that_moves_keeps_its_mode(tmp_path: Path) -> None:
    for name, text in projects.early().items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    (tmp_path / "nginx/conf.d/auth.conf").chmod(0o640)
    plan = upgrade_plan.scan(find_project(tmp_path, tmp_path))
    [new] = [entry for entry in plan.entries if entry.path == "nginx/sites/auth.conf"]
    assert new.mode == 0o640

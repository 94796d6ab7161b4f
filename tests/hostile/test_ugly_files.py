"""Names and texts that are made to break a terminal, a parser or the machine's memory."""

from __future__ import annotations

import json
import os
from pathlib import Path

import plugins_for_tests as plugins
import pytest
import v1_projects
from hostile import contents, every_command, in_words
from servers_for_tests import Nself, Project

ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egnp.exe\x7f"
NAMES = [
    "a b",
    'quote\'s "two"',
    "line\nbreak",
    "emoji 👨‍👩‍👧",
    "rtl \u202egpj",
    "clear \x1b[2J",
    "not utf-8 \udcff",
    "-rf",
    "$(touch pwned)",
    "%s{x}",
]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return v1_projects.write(tmp_path / "shop")


@pytest.fixture
def nself(shop: Path) -> Nself:
    return Nself(shop, {})


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_file_of_any_name_is_upgraded_or_named_without_harm(
    shop: Path, nself: Nself, name: str
) -> None:
    site = shop / "nginx/sites" / f"{name}.conf"
    site.write_bytes((shop / "nginx/sites/hasura.conf").read_bytes())
    (shop / f".env.{name.replace('/', '')}").write_text("HASURA_ADMIN_SECRET=x\n")
    plugins.write(shop / "plugins", name)
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    every_command(nself)
    in_words(nself("detect", "--json"))
    in_words(nself("run", "--dry-run", "--diff", "--files-only", "--json"))
    assert not (shop / "pwned").exists()
    after = {p: p.read_bytes() for p in shop.rglob("*") if p.is_file() and ".nself" not in p.parts}
    assert after == {path: text for path, text in before.items() if ".nself" not in path.parts}


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_migration_of_any_name_runs_or_is_refused_without_harm(
    project: Project, nself_offline: Nself, name: str
) -> None:
    (project.migrations / os.fsdecode(f"1_{name}.sql")).write_text("SELECT 1;")
    for arguments in (["graph"], ["graph", "--check"], ["run", "--dry-run", "--offline"]):
        in_words(nself_offline(*arguments))
        in_words(nself_offline(*arguments, "--json"))


LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{new}: &{new} [*{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}, *{old}]\n"
    for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)
BOMBS = {
    "aliases": LAUGHS,
    "merges": "a: &a {x: 1}\n" + "b: &b {<<: [" + "*a, " * 5000 + "*a]}\nc: {<<: *b}\n",
    "depth": "a: " + "[" * 50_000,
    "block depth": "".join(" " * i + "a:\n" for i in range(500)),
    "a huge number": "a: " + "9" * 300_000,
    "duplicate keys": "services:\n  a: {}\nservices:\n  b: {}\n",
    "a tag": "a: !!python/object/apply:os.system ['touch pwned']\n",
    "escapes": f'a: "{ESCAPES!a}"\n# {ESCAPES}\n',
    "raw escapes": f"services: {{'{ESCAPES}': 1}}\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "no mapping": "- 1\n",
    "a cycle": "a: &a\n  b: *a\n",
    "not UTF-8": "a: \udcff\n",
}


@pytest.mark.parametrize("what", BOMBS)
def test_a_bomb_in_yaml_is_kept_and_named(shop: Path, nself: Nself, what: str) -> None:
    raw = BOMBS[what].encode("utf-8", "surrogateescape")
    header = (shop / "docker-compose.yml").read_bytes().split(b"services:")[0]
    (shop / "docker-compose.yml").write_bytes(header + raw)
    (shop / ".nself-migrate.yaml").write_bytes(raw)
    for result in every_command(nself):
        assert len(result.out + result.err) < 100_000
    (shop / ".nself-migrate.yaml").unlink()
    every_command(nself)
    assert (shop / "docker-compose.yml").read_bytes() == header + raw
    assert not (shop / "pwned").exists()


MANIFESTS = {
    "climbing": plugins.manifest(name="../../../outside", migrations=["../../x.sql"]),
    "an escape": plugins.manifest(name=ESCAPES, description=ESCAPES),
    "a prototype": '{"__proto__": {"a": 1}, "name": "a", "version": "1.0.0"}',
    "deep": '{"name": ' + "[" * 100_000,
    "huge": plugins.manifest(description="x" * 2_000_000),
    "long": plugins.manifest(description="x" * 900_000),
    "other types": plugins.manifest(name=7, version=[], hooks="x", tables={"a": 1}),
    "a number": plugins.manifest(port=10**400),
    "infinite": '{"name": "a", "version": 1e999}',
    "twice": '{"name": "a", "name": "b"}',
    "half a character": '{"name": "\\ud800", "version": "1.0.0"}',
    "no object": "[]",
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_malicious_manifest_changes_nothing_but_itself(
    shop: Path, nself: Nself, tmp_path: Path, what: str
) -> None:
    path = plugins.write(shop / "plugins", "evil", MANIFESTS[what])
    around = [name for name in contents(tmp_path) if not name.startswith(str(shop))]
    for arguments in (["detect", "--json"], ["run", "--files-only", "--only", "plugin"]):
        in_words(nself(*arguments))
    now = [name for name in contents(tmp_path) if not name.startswith(str(shop))]
    assert now == around
    assert path.read_text() == MANIFESTS[what] or json.loads(path.read_text())


@pytest.mark.parametrize("sort", ["pipe", "folder", "zeros", "socket"])
@pytest.mark.parametrize("name", [".env", "docker-compose.yml", ".nself-migrate.yaml"])
def test_what_is_no_file_stops_nothing_for_ever(
    shop: Path, nself: Nself, name: str, sort: str
) -> None:
    place = shop / name
    place.unlink(missing_ok=True)
    make = {
        "pipe": os.mkfifo,
        "folder": Path.mkdir,
        "zeros": lambda path: path.symlink_to("/dev/zero"),
        "socket": lambda path: os.mknod(path, 0o140600),
    }
    make[sort](place)
    for arguments in (["detect"], ["run", "--files-only"], ["status"]):
        in_words(nself(*arguments, seconds=30))

"""What the documentation says is so: flags, exit codes, error codes, DDL, links, transcripts."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import servers_for_tests as servers
from servers_for_tests import Nself

from nself_tasks import errors, parser
from nself_tasks.artifacts.env_decisions import SHAPES
from nself_tasks.database.history_tables import DDL
from nself_tasks.database.servers.binaries import from_wheel
from nself_tasks.delegation import SUBCOMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
USER_PAGES = README + "".join(
    page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs").glob("*.md"))
)
UPGRADE = (ROOT / "docs" / "upgrade.md").read_text(encoding="utf-8")
ARTIFACTS = ROOT / "nself_tasks" / "artifacts"
OF_FILES = (
    "acceptance.schema.json",
    "compose-spec.json",
    "compose-v2.json",
    "env.schema.json",
    "plugin-manifest.schema.json",
)
"""The schemas of the project's files; all others are of what commands print."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"\bnself migrate((?: +(?:\"[^\"\n]*\"|[^\s`#|\"]+))*)")
CHANGING = [
    (re.compile(r"\d+\.\d\d s\b"), "0.00 s"),
    (re.compile(r"\d{8}-\d{6}(?:-\d+)?"), "20260302-160000"),
    (re.compile(r"\b[\d.]+ k?B, pg_dump \d+ \(\w+\)"), "29.5 kB, pg_dump 18"),
]


def commands() -> dict[str, argparse.ArgumentParser]:
    """Every subcommand with its parser."""
    (action,) = (a for a in parser.build()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


def flags(command: argparse.ArgumentParser) -> Iterator[str]:
    """The long names of a command's flags."""
    for action in command._actions:
        yield from (option for option in action.option_strings if option.startswith("--"))


def properties(schema: Any) -> Iterator[str]:
    """The names of all properties in a schema, however deep."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            yield from properties(part)


@pytest.mark.parametrize("name", commands())
def test_every_command_is_in_the_readme(name: str) -> None:
    # `nself maintenance` is a command beside `nself migrate`, as the page of the Go CLI has it.
    whole = f"nself {name}" if name == "maintenance" else f"nself migrate {name}"
    assert f"| `{whole}" in README


@pytest.mark.parametrize("name", commands())
def test_every_flag_is_in_the_documentation(name: str) -> None:
    assert [f for f in flags(commands()[name]) if not re.search(rf"{f}\b", USER_PAGES)] == []


def test_every_value_of_a_choice_is_in_the_documentation() -> None:
    missing = [
        f"{action.option_strings[-1]} {value}"
        for command in commands().values()
        for action in command._actions
        for value in action.choices or ()
        if f"`{action.option_strings[-1]} {value}`" not in USER_PAGES
    ]
    assert missing == []


def test_no_flag_is_documented_that_is_not_there() -> None:
    known = {flag for command in commands().values() for flag in flags(command)}
    table = README[README.index("| flag |") : README.index("## Exit codes")]
    named = {flag for row in table.splitlines() for flag in re.findall(r"--[a-z][a-z-]+", row)}
    assert named - known <= {"--version"}


def test_every_command_that_the_pages_show_is_understood() -> None:
    shown = sorted({match[1].strip() for match in COMMAND.finditer(USER_PAGES)})
    understood = [arguments for arguments in shown if arguments.split(" ")[0] in SUBCOMMANDS]
    assert {arguments.split(" ")[0] for arguments in understood} == set(SUBCOMMANDS)
    for arguments in understood:
        words = shlex.split(arguments)
        if words == ["generate"]:
            continue
        parser.build().parse_args(words)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 129, 130, 143])
def test_every_exit_code_is_in_the_table(code: int) -> None:
    table = README[README.index("## Exit codes") : README.index("## A migration")]
    assert re.search(rf"^\|[\d, ]*\b{code}\b", table, re.MULTILINE)


def test_every_error_code_is_in_the_documentation() -> None:
    tree = [errors.NselfError, *errors.NselfError.__subclasses__()]
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    assert [c.code for c in tree if f"| `{c.code}` |" not in page] == []


def test_every_field_of_the_schemas_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    missing = {}
    for path in sorted((ROOT / "schemas").glob("*.json")):
        if path.name in OF_FILES:
            continue
        fields = set(properties(json.loads(path.read_text(encoding="utf-8"))))
        if absent := [field for field in fields if f"`{field}`" not in page]:
            missing[path.name] = absent
        assert f"schemas/{path.name}" in page
    assert missing == {}


@pytest.mark.parametrize("name", OF_FILES)
def test_every_schema_of_project_files_is_named_where_they_are_upgraded(name: str) -> None:
    assert (ROOT / "schemas" / name).exists()
    assert f"schemas/{name}" in UPGRADE


def test_every_rule_of_every_kind_has_a_line() -> None:
    """A rule is any text in the kinds' code that is shaped like the name of one."""
    shaped = re.compile(r"(?:compose|env|nginx|plugin|v1)-[a-z0-9]+(?:-[a-z0-9]+)*")
    others = {"bootstrap-script", "build-version", "config-file", "flat-nginx"}
    code = "".join(path.read_text(encoding="utf-8") for path in ARTIFACTS.glob("*.py"))
    named = {text for text in re.findall(r'"([a-z0-9-]+)"', code) if shaped.fullmatch(text)}
    rules = named | {f"env-{shape}" for shape in SHAPES} | {r for r in others if f'"{r}"' in code}
    assert sorted(rules - set(_documented_rules())) == []


def test_no_rule_is_documented_that_is_not_there() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in ARTIFACTS.glob("*.py"))
    made_up = {f"env-{shape}" for shape in SHAPES} | {"env-runtime", "env-computed"}
    known = {rule for rule in _documented_rules() if f'"{rule}"' in code} | made_up
    assert sorted(set(_documented_rules()) - known) == []


def _documented_rules() -> Iterator[str]:
    """Give the names in the first column of the tables of rules."""
    for row in UPGRADE[UPGRADE.index("## The rules") :].splitlines():
        if row.startswith("| `"):
            yield from re.findall(r"`([a-z0-9-]+)`", row.split("|")[1])


def test_the_ddl_of_the_history_is_the_one_that_runs() -> None:
    page = (ROOT / "docs" / "history.md").read_text(encoding="utf-8")
    (shown,) = (text for kind, text in FENCE.findall(page) if kind == "sql")
    assert shown.split() == DDL.split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_transcripts_are_what_the_commands_print(nself_offline: Nself) -> None:
    if not from_wheel():
        pytest.skip(f"no embedded wheel {servers.APT}")
    root = nself_offline.root
    shutil.rmtree(root)
    shutil.copytree(ROOT / "examples" / "lending-library", root)
    for kind, text in FENCE.findall(README):
        if kind == "sql":
            (root / text.split("\n")[0].removeprefix("-- ")).write_text(text, encoding="utf-8")
        if kind == "console":
            printed, shown = _comparable(_transcript(text, nself_offline)), _comparable(text)
            if not _pattern(shown).fullmatch(printed):
                # A difference is shown as one; what the README leaves out is part of it.
                assert printed == shown


def _pattern(shown: str) -> re.Pattern[str]:
    """Give what a transcript stands for: `…` is any text, alone on a line any lines."""
    text = re.escape(shown)
    text = re.sub(
        r"^…\n", lambda _: r"(?:[^\n]*\n)+?", text.replace("\\\n", "\n"), flags=re.MULTILINE
    )
    return re.compile(re.sub(r"(?:\\ )?…", lambda _: r"[^\n]*", text))


def _transcript(shown: str, nself: Nself) -> str:
    """What the commands of a block really print, in the shape of the block."""
    blocks = []
    for line in shown.splitlines():
        if line.startswith("$ nself migrate "):
            done = nself(*shlex.split(line)[3:])
            blocks.append(f"{line}\n{done.err}{done.out}")
    return "\n".join(blocks)


def _comparable(text: str) -> str:
    for pattern, constant in CHANGING:
        text = pattern.sub(constant, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())

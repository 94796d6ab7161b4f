"""`.nself-migrate.yaml`: what it lets pass under `--strict`, and how it is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from observation import folder_tree, violations
from servers_for_tests import Nself, Project, Result

ENTRY = "  - artifact: nself.sh\n    rule: bootstrap-script\n    reason: the deploy calls it\n"
ACCEPTED = "accept:\n" + ENTRY


@pytest.fixture
def shop(project: Project) -> Project:
    """A v2 project with one thing left of v1, for a person to delete."""
    project.write("nself.sh", "#!/bin/sh\n")
    return project


@pytest.fixture
def nself(shop: Project) -> Nself:
    return Nself(shop.root, {})


def accepting(shop: Project, nself: Nself, text: str) -> Result:
    """What `detect --strict --json` ends with beside this file."""
    shop.write(".nself-migrate.yaml", text)
    return nself("detect", "--strict", "--json")


def row(result: Result, artifact: str = "nself.sh") -> Any:
    [found] = [row for row in result.json()["artifacts"] if row["artifact"] == artifact]
    return found


def places(result: Result) -> list[tuple[str, int | None]]:
    """The error's problems with the lines of `.nself-migrate.yaml`."""
    problems = result.json()["error"]["problems"]
    assert {problem["path"] for problem in problems} <= {".nself-migrate.yaml"}
    return [(problem["message"], problem["line"]) for problem in problems]


# --- what passes ---


def test_without_the_file_a_manual_finding_of_v1_fails_a_strict_run(nself: Nself) -> None:
    assert nself("detect", "--strict").code == 3


def test_an_accepted_finding_passes(shop: Project, nself: Nself) -> None:
    result = accepting(shop, nself, ACCEPTED)
    assert (result.code, result.err) == (0, "")


def test_an_accepted_finding_is_still_shown_with_the_reason(shop: Project, nself: Nself) -> None:
    found = row(accepting(shop, nself, ACCEPTED))
    assert found["status"] == "manual"
    assert found["notes"] == "v1 bootstrap script — accepted: the deploy calls it"
    assert [each["accepted"] for each in found["findings"]] == ["the deploy calls it"]
    assert "accepted: the deploy calls it" in nself("detect").out
    assert "    accepted: the deploy calls it" in nself("detect", "--verbose").out.splitlines()


def test_the_json_counts_what_is_accepted_and_has_its_documented_shape(
    shop: Project, nself: Nself
) -> None:
    found = accepting(shop, nself, ACCEPTED).json()
    assert (found["v1"], found["accepted"]) == (1, 1)
    assert violations(found, "detect") == []
    (shop.root / ".nself-migrate.yaml").unlink()
    found = nself("detect", "--json").json()
    assert (found["v1"], found["accepted"]) == (1, 0)
    assert violations(found, "detect") == []


def test_a_finding_that_run_would_mend_can_be_accepted_too(shop: Project, nself: Nself) -> None:
    shop.write(".nself/config", "")
    entry = ENTRY.replace("nself.sh", ".nself/config").replace("bootstrap-script", "config-file")
    assert accepting(shop, nself, ACCEPTED).code == 3
    assert accepting(shop, nself, ACCEPTED + entry).code == 0


@pytest.mark.parametrize("where", [".", "backend"])
def test_the_file_lies_in_the_project_or_in_the_repository(tmp_path: Path, where: str) -> None:
    root = tmp_path / "shop"
    project = Project(root)
    project.write("backend/docker-compose.yml", "services: {}\n")
    project.write("backend/.env", "")
    project.write("backend/nself.sh", "")
    nself = Nself(root, {})
    assert nself("detect", "--strict").code == 3
    named = ACCEPTED.replace("nself.sh", "backend/nself.sh")
    project.write(f"{where}/.nself-migrate.yaml", named)
    assert nself("detect", "--strict").code == 0


def test_a_reason_may_be_written_in_several_lines(shop: Project, nself: Nself) -> None:
    text = ACCEPTED.replace("the deploy calls it", ">\n      the deploy\n      calls it")
    assert row(accepting(shop, nself, text))["notes"].endswith("accepted: the deploy calls it")


@pytest.mark.parametrize(
    "text", ["\ufeff" + ACCEPTED, ACCEPTED.replace("\n", "\r\n"), "# why\n---\n" + ACCEPTED]
)
def test_the_file_may_be_written_by_any_editor(shop: Project, nself: Nself, text: str) -> None:
    assert accepting(shop, nself, text).code == 0


def test_a_link_that_stays_in_the_project_is_followed(shop: Project, nself: Nself) -> None:
    shop.write("ci/accepted.yaml", ACCEPTED)
    (shop.root / ".nself-migrate.yaml").symlink_to("ci/accepted.yaml")
    assert nself("detect", "--strict").code == 0


# --- what does not pass ---


@pytest.mark.parametrize(
    "text",
    [
        "accept: []\n",
        ACCEPTED.replace("nself.sh", "other.sh"),
        ACCEPTED.replace("nself.sh", "./nself.sh"),
        ACCEPTED.replace("nself.sh", '"*"'),
        ACCEPTED.replace("bootstrap-script", "another-rule"),
        ACCEPTED.replace("bootstrap-script", '"*"'),
    ],
)
def test_what_is_not_named_exactly_is_not_accepted(shop: Project, nself: Nself, text: str) -> None:
    result = accepting(shop, nself, text)
    assert result.code == 3
    assert row(result)["findings"][0]["accepted"] is None


def test_one_accepted_finding_does_not_cover_the_others(shop: Project, nself: Nself) -> None:
    shop.write(".nself/config", "")
    assert accepting(shop, nself, ACCEPTED).code == 3


def test_an_unfinished_upgrade_cannot_be_accepted(shop: Project, nself: Nself) -> None:
    shop.write(".nself/migrate/intent.json", "{}")
    entry = ENTRY.replace("nself.sh", ".nself/migrate/intent.json")
    assert accepting(shop, nself, ACCEPTED + entry).code == 3


def test_run_does_not_ask_what_is_accepted(shop: Project, nself: Nself) -> None:
    config = shop.write(".nself/config", "")
    shop.write(
        ".nself-migrate.yaml",
        ACCEPTED.replace("nself.sh", ".nself/config").replace("bootstrap-script", "config-file"),
    )
    assert nself("run", "--files-only").code == 0
    assert not config.exists()


# --- stale entries ---


def test_an_entry_that_matches_nothing_is_a_warning_with_file_and_line(
    shop: Project, nself: Nself
) -> None:
    result = accepting(shop, nself, ACCEPTED + ENTRY.replace("nself.sh", "gone.sh"))
    assert result.code == 0
    [warning] = result.json()["messages"][-1:]
    assert warning["level"] == "warning"
    assert warning["text"].startswith(".nself-migrate.yaml:5: `bootstrap-script` of `gone.sh`")
    assert "warning: .nself-migrate.yaml:5: " in result.err
    assert "warning: .nself-migrate.yaml:5: " in nself("detect", "--quiet").err


def test_an_entry_for_what_needs_no_acceptance_is_stale(shop: Project, nself: Nself) -> None:
    text = "accept:\n- {artifact: docker-compose.yml, rule: compose-foreign, reason: ours}\n"
    result = accepting(shop, nself, text)
    assert "is `keep`, which needs no acceptance" in result.err
    assert row(result, "docker-compose.yml")["findings"][0]["accepted"] is None


# --- files that are refused ---

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\naccept: [*c, *c]\n"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "is empty", 1),
        ("# nothing\n", "is empty", 1),
        ("accept", "no mapping", 1),
        ("- a\n", "no mapping", 1),
        ("{}\n", "`accept` is missing", 1),
        ("\naccept:\n", "no list", 2),
        ("accept: {}\n", "no list", 1),
        ("accept:\n  - nself.sh\n", "no mapping", 2),
        ("accept: [\n", "", 2),
        (ACCEPTED + "skip: []\n", "`skip` is unknown", 5),
        (ACCEPTED + "    until: 2027\n", "`until` is unknown", 5),
        (ACCEPTED + "    reason: twice\n", "`reason` comes twice", 5),
        (ACCEPTED + "accept: []\n", "`accept` comes twice", 5),
        (ACCEPTED + ENTRY, "accepts the same as line 2", 5),
        (ACCEPTED.replace("the deploy calls it", ""), "`reason` is no text", 4),
        (ACCEPTED.replace("the deploy calls it", "' '"), "`reason` is empty", 4),
        (ACCEPTED.replace("the deploy calls it", "2027"), "`reason` is no text", 4),
        (ACCEPTED.replace("the deploy calls it", "[a]"), "`reason` is no text", 4),
        (ACCEPTED.replace("the deploy calls it", '"\\e[2J"'), "not printable", 4),
        (ACCEPTED.replace("the deploy calls it", "x" * 1001), "longer than 1000", 4),
        (ACCEPTED.replace("    rule: bootstrap-script\n", ""), "no `rule`", 2),
        (ACCEPTED.replace("artifact: nself.sh", "artifact: !!str nself.sh"), "tags", 2),
        ("accept: &a []\n", "anchors", 1),
        (ACCEPTED + "  - {<<: {a: b}}\n", "`<<` is unknown", 5),
        (ACCEPTED + "---\naccept: []\n", "more than one document", 5),
        ("accept: !!python/object/apply:os.system [id]\n", "tags", 1),
        (BOMB, "aliases", 1),
        ("accept: " + "[" * 10_000, "nested too deeply", 1),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(
    shop: Project, nself: Nself, text: str, message: str, line: int
) -> None:
    result = accepting(shop, nself, text)
    assert result.code == 1
    found = places(result)
    assert [at for said, at in found if message in said][:1] == [line], found
    assert violations(result.json(), "error") == []


def test_every_fault_is_told_at_once(shop: Project, nself: Nself) -> None:
    text = "accept:\n- {artifact: a, rule: b}\n- {artifact: a, reason: c, more: d}\n"
    assert [line for _, line in places(accepting(shop, nself, text))] == [2, 3, 3]


def test_it_is_refused_without_strict_too(shop: Project, nself: Nself) -> None:
    shop.write(".nself-migrate.yaml", "accept")
    result = nself("detect")
    assert result.code == 1
    assert "  .nself-migrate.yaml:1: is no mapping with the key `accept`" in result.err


def test_bytes_that_are_no_text_are_refused(shop: Project, nself: Nself) -> None:
    for raw, message in ((b"accept: []\n\0", "NUL"), (b"accept: []\n# \xff\n", "UTF-8")):
        (shop.root / ".nself-migrate.yaml").write_bytes(raw)
        result = nself("detect")
        assert (result.code, message in result.err) == (1, True)


def test_a_file_larger_than_1_mb_is_refused(shop: Project, nself: Nself) -> None:
    assert "larger than 1 MB" in accepting(shop, nself, "#" * 1_000_001).out


def test_a_folder_a_pipe_and_a_link_to_nowhere_are_refused(shop: Project, nself: Nself) -> None:
    path = shop.root / ".nself-migrate.yaml"
    path.mkdir()
    assert "`.nself-migrate.yaml` is a folder" in nself("detect").err
    path.rmdir()
    os.mkfifo(path)
    assert "no regular file" in nself("detect").err
    path.unlink()
    path.symlink_to("gone.yaml")
    assert "leads to nothing" in nself("detect").err
    path.unlink()
    path.symlink_to(path)
    assert nself("detect").code == 1


def test_a_link_that_leaves_the_project_is_refused(shop: Project, nself: Nself) -> None:
    (shop.root.parent / "elsewhere.yaml").write_text(ACCEPTED)
    (shop.root / ".nself-migrate.yaml").symlink_to("../elsewhere.yaml")
    result = nself("detect", "--strict")
    assert result.code == 1
    assert "leads out of the project" in result.err
    assert "accepted" not in result.out


def test_two_files_are_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "shop")
    project.write("backend/docker-compose.yml", "services: {}\n")
    for path in ("backend/.env", "backend/.nself-migrate.yaml", ".nself-migrate.yaml"):
        project.write(path, "")
    result = Nself(project.root, {})("detect")
    assert result.code == 1
    assert "`backend/.nself-migrate.yaml` and `.nself-migrate.yaml`" in result.err


def test_nothing_is_changed(shop: Project, nself: Nself) -> None:
    shop.write(".nself-migrate.yaml", ACCEPTED)
    before = folder_tree(shop.root)
    nself("detect", "--strict")
    assert folder_tree(shop.root) == before


# --- the schema ---


@pytest.mark.parametrize(
    "text",
    [
        "accept: []\n",
        ACCEPTED,
        "accept",
        "{}\n",
        "accept: {}\n",
        "accept: [a]\n",
        ACCEPTED + "skip: []\n",
        ACCEPTED + "    until: now\n",
        ACCEPTED.replace("the deploy calls it", "' '"),
        ACCEPTED.replace("the deploy calls it", "2027"),
        ACCEPTED.replace("the deploy calls it", "x" * 1001),
        ACCEPTED.replace("    rule: bootstrap-script\n", ""),
    ],
)
def test_the_schema_takes_what_the_command_takes(shop: Project, nself: Nself, text: str) -> None:
    refused = accepting(shop, nself, text).code == 1
    assert bool(violations(yaml.safe_load(text), "acceptance")) == refused

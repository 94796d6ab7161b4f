"""Real plugin manifests: the converter's own pairs come out equal, the others lose nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import projects
import pytest

from nself_tasks.artifacts import plugin
from nself_tasks.artifacts.plugin_validation import violations

pytestmark = [pytest.mark.corpus, pytest.mark.usefixtures("corpus")]

CLONE = Path(__file__).parents[2]
FIXTURES = projects.CORPUS / "nself-org-cli-go/internal/plugin/manifestv2/testdata"
SCHEMA = json.loads((CLONE / "schemas" / "plugin-manifest.schema.json").read_text())
PATH = PurePosixPath("plugins/x/plugin.json")


def as_it_is(text: str) -> str:
    return text


def with_other_names(text: str) -> str:
    """The same manifest of another plugin, at other ports and with other hosts."""
    name = json.loads(text)["name"]
    text = re.sub(rf'("name" *: *)"{re.escape(name)}"', r'\1"laden-7"', text)
    text = text.replace(f"np_{name.replace('-', '_')}", "np_laden_7")
    text = re.sub(r'("\w*[pP]ort" *: *)([2-9]\d{3})\b', r"\g<1>1\2", text)
    return text.replace("nself.org", "example.com")


@pytest.fixture(params=[as_it_is, with_other_names])
def variant(request: pytest.FixtureRequest) -> Callable[[str], str]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["deps", "licensed", "status-deprecated"])
def test_the_fixture_pairs_come_out_equal(name: str, variant: Callable[[str], str]) -> None:
    old, new = (variant((FIXTURES / era / f"{name}.json").read_text()) for era in ("v1", "v2"))
    [edit] = plugin.examined(PATH, old).changes[0].edits
    assert edit.text == new
    assert violations(edit.text, SCHEMA) == []


@pytest.mark.parametrize("name", ["ci", "deps", "full", "licensed", "status-deprecated", "vpn"])
def test_a_real_v2_manifest_is_left_alone_and_fits_the_schema(
    name: str, variant: Callable[[str], str]
) -> None:
    text = variant((FIXTURES / "v2" / f"{name}.json").read_text())
    assert plugin.examined(PATH, text).status == "ok"
    assert violations(text, SCHEMA) == []


def test_every_real_manifest_becomes_valid_or_names_what_has_no_place(
    variant: Callable[[str], str],
) -> None:
    manifests = sorted(projects.CORPUS.rglob("plugin.json"))
    assert len(manifests) > 50
    for path in manifests:
        found = plugin.examined(PATH, variant(path.read_text()))
        if found.changes:
            assert violations(found.changes[0].edits[0].text, SCHEMA) == [], path
        else:
            assert found.status == "manual", path
            lost = ("v2 has no place for", "dependencies names something else")
            assert any(words in found.message for words in lost), path


def test_a_real_manifest_without_what_v2_has_no_place_for_becomes_valid(
    variant: Callable[[str], str],
) -> None:
    for path in sorted(projects.CORPUS.rglob("plugin.json")):
        manifest = json.loads(variant(path.read_text()))
        message = plugin.examined(PATH, variant(path.read_text())).message
        strange = set(re.findall(r"\w+", message.partition("no place for")[2]))
        if "dependencies names" in message:
            strange.add("dependencies")
        known = {key: value for key, value in manifest.items() if key not in strange}
        found = plugin.examined(PATH, json.dumps(known))
        assert found.status == "migrate", (path, found.message)
        assert violations(found.changes[0].edits[0].text, SCHEMA) == [], path

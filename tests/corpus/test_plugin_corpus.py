"""Real plugin manifests: the converter's own pairs come out equal, the others lose nothing."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath

import pytest

from nself_tasks.artifacts import plugin
from nself_tasks.artifacts.plugin_validation import violations

pytestmark = pytest.mark.corpus

CLONE = Path(__file__).parents[2]
CORPUS = Path(os.environ.get("NSELF_CORPUS") or CLONE.parent / "shared" / "corpus")
FIXTURES = CORPUS / "nself-org-cli-go/internal/plugin/manifestv2/testdata"
SCHEMA = json.loads((CLONE / "schemas" / "plugin-manifest.schema.json").read_text())
PATH = PurePosixPath("plugins/x/plugin.json")


@pytest.fixture(autouse=True)
def corpus() -> Path:
    if not CORPUS.is_dir():
        pytest.skip("the corpus of real projects is not beside the clone (NSELF_CORPUS)")
    return CORPUS


@pytest.mark.parametrize("name", ["deps", "licensed", "status-deprecated"])
def test_the_fixture_pairs_come_out_equal(name: str) -> None:
    found = plugin.examined(PATH, (FIXTURES / "v1" / f"{name}.json").read_text())
    [edit] = found.changes[0].edits
    assert edit.text == (FIXTURES / "v2" / f"{name}.json").read_text()
    assert violations(edit.text, SCHEMA) == []


@pytest.mark.parametrize("name", ["ci", "deps", "full", "licensed", "status-deprecated", "vpn"])
def test_a_real_v2_manifest_is_left_alone_and_fits_the_schema(name: str) -> None:
    text = (FIXTURES / "v2" / f"{name}.json").read_text()
    assert plugin.examined(PATH, text).status == "ok"
    assert violations(text, SCHEMA) == []


def test_every_real_manifest_becomes_valid_or_names_what_has_no_place() -> None:
    manifests = sorted(CORPUS.rglob("plugin.json"))
    assert len(manifests) > 50
    for path in manifests:
        found = plugin.examined(PATH, path.read_text())
        if found.changes:
            assert violations(found.changes[0].edits[0].text, SCHEMA) == [], path
        else:
            assert found.status == "manual", path
            lost = ("v2 has no place for", "dependencies names something else")
            assert any(words in found.message for words in lost), path


def test_a_real_manifest_without_what_v2_has_no_place_for_becomes_valid() -> None:
    for path in sorted(CORPUS.rglob("plugin.json")):
        manifest = json.loads(path.read_text())
        message = plugin.examined(PATH, path.read_text()).message
        strange = set(re.findall(r"\w+", message.partition("no place for")[2]))
        if "dependencies names" in message:
            strange.add("dependencies")
        known = {key: value for key, value in manifest.items() if key not in strange}
        found = plugin.examined(PATH, json.dumps(known))
        assert found.status == "migrate", (path, found.message)
        assert violations(found.changes[0].edits[0].text, SCHEMA) == [], path

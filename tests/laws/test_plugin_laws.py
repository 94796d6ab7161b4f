"""What holds for every plugin manifest, whoever wrote it."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nself_tasks.artifacts import plugin
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.artifacts.plugin_fields import CARRIED, CONVERTED, DROPPED
from nself_tasks.artifacts.plugin_shapes import says_nothing
from nself_tasks.artifacts.plugin_validation import violations
from nself_tasks.artifacts.upgrade import upgraded

PATH = PurePosixPath("plugins/a/plugin.json")
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "schemas" / "plugin-manifest.schema.json").read_text()
)
BASE = {
    "name": "shop",
    "version": "1.0.0",
    "description": "d",
    "category": "c",
    "minNselfVersion": "1.0.0",
}
TEXTS = st.sampled_from(["", "a", "free", "pro", "stable", "deprecated", "GET /x", "1.0.0"])
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-1, 70000), st.floats(), TEXTS)
PARTS = st.sampled_from(["required", "optional", "name", "path", "method", "state", "replacedBy"])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PARTS, inner, max_size=3),
    max_leaves=6,
)
GOOD = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["", "stable", "beta", "alpha", "planned", "eol"]),
        "tier": st.sampled_from(["", "free", "max"]),
        "isCommercial": st.booleans(),
        "tables": st.lists(st.sampled_from(["np_a", "np_b"]), max_size=2),
        "port": st.integers(0, 65535),
        "dependencies": st.lists(st.sampled_from("abc")) | st.none(),
        "optionalDependencies": st.lists(st.sampled_from("abc")),
        "webhooks": st.dictionaries(st.sampled_from("abc"), TEXTS),
        "envVars": st.lists(st.sampled_from(["A", "B"])),
        "replacedBy": st.sampled_from(["", "new"]),
        "checksum": TEXTS,
        "config": st.sampled_from([{}, {"a": None}, {"a": 1}]),
    },
)
KEYS = st.sampled_from(sorted({*CARRIED, *CONVERTED, *DROPPED, "config", "hooks"}))
MANIFESTS = st.builds(
    lambda good, wild: {**BASE, **good, **wild}, GOOD, st.dictionaries(KEYS, VALUES, max_size=2)
)


def after(text: str) -> str:
    seen = Evidence(texts={PATH: text})
    new = upgraded(seen, plugin.detect(seen)).get(PATH)
    return (new.text or "") if new else text


@settings(max_examples=400)
@given(MANIFESTS)
def test_what_is_written_is_a_valid_v2_manifest(manifest: dict[str, Any]) -> None:
    found = plugin.examined(PATH, json.dumps(manifest))
    assert found.status in ("migrate", "manual", "ok", "keep")
    if found.changes:
        assert violations(found.changes[0].edits[0].text, SCHEMA) == []


@settings(max_examples=400)
@given(MANIFESTS)
def test_upgrading_twice_is_upgrading_once(manifest: dict[str, Any]) -> None:
    once = after(json.dumps(manifest))
    assert after(once) == once
    assert plugin.examined(PATH, once).changes == ()


@settings(max_examples=400)
@given(MANIFESTS)
def test_no_key_that_says_something_is_dropped_in_silence(manifest: dict[str, Any]) -> None:
    found = plugin.examined(PATH, json.dumps(manifest))
    if found.changes:
        kept = json.loads(found.changes[0].edits[0].text)
        for key, value in manifest.items():
            said = key in found.action
            assert key in kept or said or key in CONVERTED or says_nothing(value) or value == 0


@settings(max_examples=300)
@given(st.text() | VALUES.map(json.dumps) | MANIFESTS.map(lambda m: json.dumps(m)[:-1]))
def test_any_text_gets_one_finding(text: str) -> None:
    [found] = plugin.detect(Evidence(texts={PATH: text}))
    assert found.message.isprintable()

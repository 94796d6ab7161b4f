"""Which plugin manifests are v1, what they become, and which are for a person to convert."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from nself_tasks.artifacts import plugin
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.artifacts.plugin_validation import violations
from nself_tasks.artifacts.upgrade import upgraded

PATH = PurePosixPath("plugins/shop/plugin.json")
SCHEMA = json.loads(
    (Path(__file__).parents[2] / "schemas" / "plugin-manifest.schema.json").read_text()
)
V1: dict[str, Any] = {
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
V2: dict[str, Any] = {
    "manifest_version": 2,
    "name": "shop-sync",
    "version": "1.2.0",
    "description": "d",
    "category": "c",
    "license": "free",
    "maturity": "implemented",
    "service": {"kind": "library"},
}


def examined(**also: Any) -> Finding:
    return plugin.examined(PATH, json.dumps({**V1, **also}))


def converted(**also: Any) -> dict[str, Any]:
    [change] = examined(**also).changes
    made: dict[str, Any] = json.loads(change.edits[0].text)
    assert violations(change.edits[0].text, SCHEMA) == []
    return made


def part(made: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    return {key: made.get(key) for key in expected}


@pytest.mark.parametrize(
    ("also", "expected"),
    [
        ({}, {"maturity": "implemented", "status": "stable", "service": {"kind": "library"}}),
        ({"status": "beta"}, {"maturity": "implemented", "status": "stable"}),
        ({"status": "alpha"}, {"maturity": "experimental", "status": "experimental"}),
        ({"status": "planned"}, {"maturity": "planned", "status": "planned"}),
        (
            {"status": "eol", "replacedBy": "new"},
            {"maturity": "deferred", "deprecation": {"state": "eol", "replacedBy": "new"}},
        ),
        (
            {"deprecated": True, "replacement": "new"},
            {"status": "deprecated", "deprecation": {"state": "deprecated", "replacedBy": "new"}},
        ),
        ({}, {"license": "free", "licenseType": "free", "tier": "free", "isCommercial": None}),
        ({"tier": "max"}, {"license": "licensed", "licenseType": "pro", "tier": "pro"}),
        ({"isCommercial": True}, {"requires_license": True, "license": "licensed"}),
        ({}, {"requires": {"nself": ">=0.9.9"}, "minNselfVersion": "0.9.9", "schema": None}),
        ({"tables": ["np_a"]}, {"tables": ["np_a"], "schema": "np_shop_sync"}),
        ({"tables": [], "webhooks": {}, "port": 0}, {"tables": None, "port": None}),
        (
            {"port": 80, "docker_image": "i:1"},
            {
                "port": 80,
                "service": {
                    "kind": "compose",
                    "compose": "docker-compose.plugin.yml",
                    "healthcheck": "/health",
                    "port": 80,
                    "image": "i:1",
                },
            },
        ),
        ({"cliCommands": [{"name": "a"}]}, {"service": {"kind": "cli"}}),
        ({"dependencies": ["a"]}, {"dependencies": ["a"]}),
        (
            {
                "dependencies": {"required": [], "optional": ["b", "c"]},
                "optionalDependencies": ["c"],
            },
            {"dependencies": None, "optionalDependencies": ["c", "b"]},
        ),
        ({"depends_on": ["a"]}, {"requires": {"nself": ">=0.9.9", "plugins": ["a"]}}),
        ({"webhooks": {"b": "B", "a": "A"}}, {"webhooks": ["a", "b"]}),
        ({"apiEndpoints": ["GET /a", {"path": "/b"}]}, {"apiEndpoints": ["GET /a", "/b"]}),
        ({"systemDependencies": []}, {"systemDependencies": None}),
        ({"env_vars": {"required": ["A"]}}, {"env": {"required": ["A"]}}),
        ({"multiApp": {"supported": False, "x": None}}, {"multiApp": {"supported": False}}),
        ({"installable": False}, {"installable": False}),
        (
            {"envVars": {"required": {"A": None}, "optional": {"B": True, "C": 3}}},
            {
                "envVars": [
                    {"name": "A", "required": True, "description": ""},
                    {"name": "B", "required": False, "description": "", "default": "true"},
                    {"name": "C", "required": False, "description": "", "default": "3"},
                ]
            },
        ),
        (
            {"envVars": [{"name": "A", "default": "x"}]},
            {"envVars": [{"name": "A", "required": False, "description": "", "default": "x"}]},
        ),
    ],
)
def test_becomes(also: dict[str, Any], expected: dict[str, Any]) -> None:
    made = converted(**also)
    assert part(made, expected) == expected


def test_what_v2_forbids_is_left_out_and_said() -> None:
    found = examined(checksum="abc", bundles=["b"], config={}, hooks={"postInstall": None})
    assert found.action.endswith("without bundles, checksum, config, hooks")
    assert not {"checksum", "bundles", "config"} & json.loads(found.changes[0].edits[0].text).keys()


def test_the_text_is_that_of_the_real_converter() -> None:
    text = plugin.examined(PATH, json.dumps(V1) + "\n").changes[0].edits[0].text
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_last_line_ends_as_it_did(end: str) -> None:
    text = plugin.examined(PATH, json.dumps(V1) + end).changes[0].edits[0].text
    assert text.removesuffix(end).endswith("}")


def test_line_endings_and_a_byte_order_mark_survive() -> None:
    text = "\ufeff" + json.dumps(V1, indent=2).replace("\n", "\r\n")
    seen = Evidence(texts={PATH: text})
    after = upgraded(seen, plugin.detect(seen))[PATH].text or ""
    assert after.startswith("\ufeff{\r\n")
    assert "\n" not in after.replace("\r\n", "")


def test_the_row_names_the_plugin() -> None:
    assert examined().message == "v1 manifest of `shop-sync` 1.2.0"


@pytest.mark.parametrize(
    ("also", "why"),
    [
        ({"config": {"a": 1}, "hooks": {"x": "y"}}, "v2 has no place for config, hooks"),
        ({"author_public_key": "k"}, "v2 has no place for author_public_key"),
        ({"status": "wild"}, "status wild is unknown"),
        ({"status": ["stable"]}, "is unknown"),
        ({"status": "stable", "deprecated": True}, "it is deprecated, and its status is stable"),
        ({"replacedBy": "a", "replacement": "b"}, "the manifest names several successors"),
        ({"deprecation": {"because": "x"}}, "deprecation has something else"),
        ({"name": "Shop"}, "name is not lower-case"),
        ({"name": 5}, "name is missing or no text"),
        ({"version": "1.2"}, "version is no version"),
        ({"category": None}, "category is missing"),
        ({"tables": "np_a"}, "v2 expects something else in tables"),
        ({"tables": [""]}, "v2 expects something else in tables"),
        ({"port": "80", "tags": {}}, "v2 expects something else in port"),
        ({"port": True}, "v2 expects something else in port"),
        ({"port": 70000}, "v2 expects something else in port"),
        ({"isCommercial": "yes"}, "isCommercial is neither true nor false"),
        ({"dependencies": {"npm": ["x"]}}, "dependencies names something else"),
        ({"envVars": {"required": [5]}}, "envVars.required is no list of names"),
        ({"envVars": [{"name": "A", "secret": True}]}, "envVars has an entry of another shape"),
        ({"envVars": "A"}, "envVars is neither"),
        ({"apiEndpoints": [{"path": 5}]}, "apiEndpoints has an entry of another shape"),
        ({"webhooks": 5}, "webhooks is no list"),
        ({"routes": ["a"], "rest_routes": ["b"]}, "rest_routes and routes differ"),
        ({"manifest_version": 3}, "manifest_version 3 is neither 1 nor 2"),
        ({"manifest_version": "2"}, "manifest_version 2 is neither"),
        ({"manifest_version": True}, "manifest_version True is neither"),
    ],
)
def test_is_for_a_person_to_convert(also: dict[str, Any], why: str) -> None:
    found = examined(**also)
    assert (found.status, found.changes) == ("manual", ())
    assert why in found.message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no JSON"),
        ('{\n"name": \n}', "is no JSON"),
        ("[" * 200_000, "is nested deeper"),
        ('{"a":' * 50_000, "is nested deeper"),
        ('{"multiApp":' + "[" * 100 + "]" * 100 + "}", "is nested deeper than 32 levels"),
        ('{"name": "a", "name": "b"}', "has a key twice: name"),
        ('{"multiApp": {"a": 1, "a": 2}}', "has a key twice: a"),
        ('{"port": NaN}', "holds NaN"),
        ('{"port": -Infinity}', "holds -Infinity"),
        ('{"port": 1e999}', "holds an impossible number"),
        ('{"port": ' + "9" * 5_000 + "}", "holds an impossible number"),
        ('{"name": "\\ud800"}', "holds half a character"),
        ('{"name": "\udcff"}', "is not UTF-8"),
        ("[]", "is no JSON object"),
        ('"x"', "is no JSON object"),
        ("null", "is no JSON object"),
    ],
)
def test_a_malicious_manifest_is_for_a_person(text: str, why: str) -> None:
    found = plugin.examined(PATH, text)
    assert (found.status, found.changes) == ("manual", ())
    assert why in found.message


def test_the_line_of_a_mistake_is_named() -> None:
    assert plugin.examined(PATH, '{\n"name": \n}').line == 3


def test_a_strangers_keys_are_not_printed_as_they_are() -> None:
    found = examined(**{"a\x1b[31m": 1, "b" * 500: 1, **{f"k{i}": 1 for i in range(50)}})
    assert found.message.isprintable()
    assert len(found.message) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"manifest_version": 3, "name": "a browser extension", "permissions": ["tabs"]}',
        '{"type": "datasource", "id": "grafana"}',
        '{"manifest_version": 2, "name": "an older browser extension"}',
    ],
)
def test_is_none_of_ours(text: str) -> None:
    assert plugin.examined(PATH, text).status == "keep"


def test_a_v2_manifest_is_ok() -> None:
    assert plugin.examined(PATH, json.dumps(V2)).status == "ok"


@pytest.mark.parametrize(
    "path",
    ["plugins/a/plugin.json", "plugins/a/manifest.json", ".nself/plugins/a/plugin.json"],
)
def test_is_looked_at(path: str) -> None:
    seen = Evidence(texts={PurePosixPath(path): json.dumps(V1)})
    assert [str(found.path) for found in plugin.detect(seen)] == [path]


@pytest.mark.parametrize(
    "path", ["plugin.json", "plugins/plugin.json", "plugins/a/b/plugin.json", "web/a/manifest.json"]
)
def test_is_not_looked_at(path: str) -> None:
    assert list(plugin.detect(Evidence(texts={PurePosixPath(path): json.dumps(V1)}))) == []


def test_a_manifest_too_large_to_be_one_is_for_a_person() -> None:
    [found] = plugin.detect(Evidence(files=frozenset({PATH})))
    assert found.status == "manual"


# --- the schema ---


@pytest.mark.parametrize(
    "also",
    [
        {},
        {"requires": {"nself": ">=1.0.0 <2.0.0"}, "minNselfVersion": "1.0.0"},
        {"license": "licensed", "tier": "pro", "isCommercial": True},
        {"maturity": "deferred", "status": "eol", "deprecation": {"state": "eol"}},
        {"service": {"kind": "compose", "compose": "c.yml", "healthcheck": "/h", "port": 80}},
    ],
)
def test_fits_the_schema(also: dict[str, Any]) -> None:
    assert violations(json.dumps({**V2, **also}), SCHEMA) == []


@pytest.mark.parametrize(
    "also",
    [
        {"manifest_version": 1},
        {"name": "Shop"},
        {"version": "1"},
        {"license": "MIT"},
        {"maturity": "done"},
        {"service": {"kind": "compose"}},
        {"service": {"kind": "library", "x": 1}},
        {"config": {}},
        {"checksum": "x"},
        {"author_public_key": "x"},
        {"tier_pair": "x"},
        {"schema": "np_other"},
        {"schema": "shop"},
        {"tier": "pro"},
        {"license": "licensed", "tier": "free"},
        {"maturity": "planned", "status": "experimental"},
        {"maturity": "deferred", "status": "deprecated"},
        {"requires": {"nself": ">=1.1.0"}, "minNselfVersion": "1.0.0"},
        {"port": 81, "service": {"kind": "cli", "port": 80}},
        {"migrations": {"dir": "m", "apply": "never"}},
        {"routes": [{"path": "/a"}]},
    ],
)
def test_breaks_the_schema(also: dict[str, Any]) -> None:
    assert violations(json.dumps({**V2, **also}), SCHEMA) != []


@pytest.mark.parametrize("key", ["name", "version", "description", "category", "service"])
def test_is_required(key: str) -> None:
    assert violations(json.dumps({k: v for k, v in V2.items() if k != key}), SCHEMA) != []

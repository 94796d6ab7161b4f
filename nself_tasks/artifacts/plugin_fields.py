"""The keys of plugin manifests, as data."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nself_tasks.artifacts import plugin_shapes as shapes

NAME = re.compile(r"[a-z][a-z0-9-]*")
VERSION = re.compile(r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")

STATUSES = {
    "": ("implemented", "stable"),
    "stable": ("implemented", "stable"),
    "beta": ("implemented", "stable"),
    "experimental": ("experimental", "experimental"),
    "alpha": ("experimental", "experimental"),
    "planned": ("planned", "planned"),
    "deprecated": ("deferred", "deprecated"),
    "eol": ("deferred", "eol"),
}
"""For v1's `status` v2's maturity and status."""

DEPRECATION = ("announcedDate", "eolDate", "migrationGuide", "replacedBy")
DROPPED = frozenset({"bundles", "checksum", "signature", "tier_pair"})
"""v2 forbids them (E111); the real converter drops them."""

CARRIED: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        (
            *("author", "binaryName", "description", "category", "docs_url", "entryPoint"),
            *("health_endpoint", "homepage", "language", "minNselfVersion", "name", "pluginType"),
            *("repository", "runtime", "version"),
        ),
        shapes.is_text,
    ),
    **dict.fromkeys(
        (
            *("arch_support", "consumes", "provides", "requiredEntitlements"),
            *("tables", "tags", "views"),
        ),
        shapes.strings,
    ),
    "cliCommands": shapes.named_texts,
    "commands": shapes.named_texts,
    "installable": shapes.truth,
    "multiApp": shapes.flat,
    "permissions": shapes.permissions,
    "port": shapes.is_port,
    "systemDependencies": shapes.needs,
}
"""Keys whose value v2 takes as it is, and what it must look like."""

CONVERTED = frozenset(
    {
        *("isCommercial", "license", "licenseType", "requires_license", "tier"),
        *("apiEndpoints", "dependencies", "depends_on", "deprecated", "deprecation"),
        *("docker_image", "env", "envVars", "env_vars", "manifest_version"),
        *("optionalDependencies", "replacedBy", "replacement", "rest_routes", "routes"),
        *("status", "webhooks"),
    }
)

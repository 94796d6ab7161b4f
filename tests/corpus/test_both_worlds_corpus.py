"""What the containers of real projects get is the same before and after, told from the sources of
v1 and of v2: for every environment, every service, every setting."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import both_worlds as worlds
import projects
import pytest
from servers_for_tests import Nself

pytestmark = [pytest.mark.corpus, pytest.mark.usefixtures("corpus")]

Place = Callable[[str], Path]
BY_DESIGN = frozenset({"security_opt", "logging", "tmpfs", "volumes", "networks", "aliases"})
"""What v2 adds; mounts and networks are named anew, which the laws of the compose file hold."""


def settings(found: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, object]]:
    """`KEY of service` and its value, for each setting and each variable of the environment."""
    for service, spec in found.items():
        for key, value in {**spec, **spec["environment"]}.items():
            if key not in {"environment", *BY_DESIGN}:
                yield f"{key} of {service}", value


def renamed_mail(value: object) -> object:
    """MailHog is Mailpit now, to those who wait for it or send to it."""
    if isinstance(value, list):
        return [renamed_mail(item) for item in value]
    return "mailpit" if value == "mailhog" else value


def decided_by_people(found: Any) -> set[str]:
    """The keys that rows of what is left to decide name."""
    each = [finding for row in found["artifacts"] for finding in row["findings"]]
    notes = [finding["message"] for finding in each if finding["rule"].startswith("env-")]
    return set(re.findall(r"\w+", " ".join(note.split("would change: ")[-1] for note in notes)))


@pytest.mark.parametrize("name", projects.V1)
def test_the_containers_of_a_real_project_get_what_they_got(
    name: str, place: Place, nself: Nself, tmp_path: Path
) -> None:
    before = place(name)
    after = Path(shutil.copytree(before, tmp_path / "after", symlinks=True))
    there = Nself(after, nself.environment)
    done = there("run", "--files-only")
    assert done.code == 0, done.err
    named = " ".join(done.err.split())
    people = decided_by_people(there("detect", "--json").json())
    compared = 0
    for environment in worlds.V1_FILES:
        values = worlds.handed_to_compose_by_v1(before, environment)
        if environment != "dev" and not worlds.under_v1(before, environment):
            continue
        was = dict(settings(worlds.containers(before, values)))
        now = dict(settings(worlds.containers(after, worlds.under_v2(after, environment))))
        undecided = {key: values[key] for key in people & values.keys()}
        kept = dict(
            settings(worlds.containers(after, {**worlds.under_v2(after, environment), **undecided}))
        )
        for what, value in was.items():
            # What v1 computes at its start is in no file: nothing is known of it here.
            if what in named or value == "" or what.endswith(" of mailhog"):
                continue
            compared += 1
            value = renamed_mail(value)
            assert value in (now.get(what), kept.get(what)), (environment, what)
    assert compared > 20

"""What containers get otherwise once the env files are upgraded as well: listed, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nself_tasks.artifacts import compose_jwt
from nself_tasks.artifacts.compose_afterwards import Afterwards, Environment, afterwards
from nself_tasks.artifacts.compose_formulas import Values
from nself_tasks.artifacts.compose_meaning import FROM_FILE, Meaning, differences, meaning
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.compose_references import merged_texts, names_in
from nself_tasks.artifacts.compose_step import Step
from nself_tasks.artifacts.env_files import env_files, role
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.yaml_spans import Node

_ENVIRONMENT = "environment."
_LISTED = ("command", "entrypoint", "healthcheck", "labels", "ports")
"""What a key may change that v1 ignored and v2 reads: it leaves data and images where they are."""
_MOST = 3
"""Names that a reason lists."""


def other_values(
    evidence: Evidence, after: str, root: Node, found: Used, planned: tuple[Step, ...]
) -> tuple[Step, ...] | str:
    """List what a service gets otherwise once the env files are upgraded as well.

    v1 may have ignored a key that v2 reads under its new name, or have had a value from a file of
    its own that no env file says. Anything but a service's environment is refused.
    """
    if lost := _computed_elsewhere(evidence, found):
        return lost
    result = yaml_spans.read(after)
    new = result if isinstance(result, Node) else None
    times = afterwards(evidence, found)
    changed: dict[str, tuple[str, str]] = {}
    handed: dict[str, tuple[str, str]] = {}
    for environment in times.environments:
        before = meaning(root, environment.before, found.project, times.before)
        if objection := _moved(before, new, environment, times, planned, after):
            return objection
        now = meaning(new, environment.later, env_files=times.later)
        for service, name in unannounced(before, now, planned):
            if name.startswith(FROM_FILE):
                handed[f"{name.removeprefix(FROM_FILE)} of {service}"] = (service, name)
            else:
                changed[f"{name.removeprefix(_ENVIRONMENT)} of {service}"] = (service, name)
    return tuple(_steps(changed, handed))


def keeps_secrets(
    evidence: Evidence, after: str, root: Node, found: Used, planned: tuple[Step, ...]
) -> bool:
    """Tell whether the step about the JWT secret, if there is one, loses none."""
    step = next((step for step in planned if step.rule == compose_jwt.RULE), None)
    result = yaml_spans.read(after)
    if step is None or not isinstance(result, Node):
        return True
    times = afterwards(evidence, found)
    return all(
        compose_jwt.keeps_secret(
            step,
            meaning(root, environment.before, found.project),
            meaning(result, environment.later),
        )
        for environment in times.environments
    )


def unannounced(before: Meaning, now: Meaning, planned: Iterable[Step]) -> list[tuple[str, str]]:
    """Give the service and property of every difference that no step says it makes."""
    announced = {change for step in planned for change in step.changes}
    whole = {service for service, name in announced if not name}
    return [
        (service, name)
        for service, name in sorted(differences(before, now))
        if (service, name) not in announced and (not service or service not in whole)
    ]


def _moved(
    before: Meaning,
    new: Node | None,
    environment: Environment,
    times: Afterwards,
    planned: tuple[Step, ...],
    text: str,
) -> str | None:
    """Say what else than a value would change: a data path, a name, an image."""
    decided = meaning(new, environment.later, env_files=times.later)
    left = meaning(new, environment.undecided, env_files=times.later)
    for was, now, listed, why in (
        (before, decided, _LISTED, "the env files would change its meaning"),
        (decided, left, (), "its meaning hangs on what a person has to decide first"),
    ):
        for service, name in unannounced(was, now, planned):
            if name not in listed and not name.startswith((_ENVIRONMENT, FROM_FILE)):
                known = environment.before if was is before else environment.later
                values = environment.later if was is before else environment.undecided
                keys = _behind(known, values, text)
                return f"{why}: {name} of {service or 'the file'}" + (f" ({keys})" if keys else "")
    return None


def _behind(before: Values, later: Values, text: str) -> str:
    """Give the variables of the file that would have another value."""
    names = sorted(n for n in names_in(text) if before.get(n, "") != later.get(n, ""))
    more = len(names) - _MOST
    return ", ".join(names[:_MOST]) + (f" and {more} more" if more > 0 else "")


def _computed_elsewhere(evidence: Evidence, found: Used) -> str | None:
    """Say which variable another compose file loses: v1 computed it, and no env file says it.

    In `docker-compose.yml` itself such a variable is given its value; the others are not ours.
    """
    said = {
        assignment.key
        for name, file in env_files(evidence).items()
        if role(name) == "live"
        for assignment in file.assignments
    }
    from nself_tasks.artifacts.compose import PATH

    computed = {name for context in found.contexts for name in context} - said
    for path, text in merged_texts(evidence, PATH).items():
        if lost := sorted(names_in(text) & computed):
            return (
                f"`{path}` uses {', '.join(lost)}, which v1 computed and v2 does not: write the"
                " value there, or set the variable in an env file"
            )
    return None


_Places = Mapping[str, tuple[str, str]]
"""Service and property by what a person is told."""


def _steps(changed: _Places, handed: _Places) -> Iterator[Step]:
    if changed:
        yield Step(
            "compose-values",
            None,
            f"v1 ran with a value that no env file says under the name that v2 reads:"
            f" {', '.join(changed)}",
            "look at it before you start the stack, and set it in the env file",
            (),
            frozenset(changed.values()),
        )
    if handed:
        yield Step(
            "compose-env-file",
            None,
            f"containers that get a whole env file get what is written into it as well:"
            f" {', '.join(handed)}",
            "nothing that they had is gone; look whether a new name disturbs them",
            (),
            frozenset(handed.values()),
        )

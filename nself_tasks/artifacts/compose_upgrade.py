"""A v1 compose file rewritten in place into a v2 one, or the reason why a person has to do it.

What comes out is read again and held against what went in: a change of meaning that no step
announces, or a result that is no v2 file, is refused here and not found out by a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts.compose_afterwards import both_times
from nself_tasks.artifacts.compose_jwt import jwt_steps
from nself_tasks.artifacts.compose_mail import mail_steps
from nself_tasks.artifacts.compose_meaning import Meaning, differences, meaning
from nself_tasks.artifacts.compose_pins import pins
from nself_tasks.artifacts.compose_project import Used, used
from nself_tasks.artifacts.compose_services import service_steps
from nself_tasks.artifacts.compose_step import Step
from nself_tasks.artifacts.compose_top import top_steps
from nself_tasks.artifacts.compose_variables import variable_steps
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.artifacts.nginx_files import held_by_hand
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.edits import apply
from nself_tasks.rewriting.yaml_spans import Node


def build_settings(evidence: Evidence, text: str, root: Node | None) -> Mapping[str, str]:
    """Give what a later `nself build` needs to be told, so that it keeps the images in use."""
    found = used(evidence, text, root) if root else ""
    return pins(root, found) if root and isinstance(found, Used) else {}


def steps(evidence: Evidence, text: str, root: Node | None) -> tuple[Step, ...] | str:
    """Give what makes the file a v2 one, or why nothing can."""
    if root is None or not signals.services(root):
        return "there are no services in it"
    if root.style == "{":
        return "it is written in braces"
    found = used(evidence, text, root)
    if isinstance(found, str):
        return found
    planned = tuple(_steps(text, root, found))
    if held_by_hand(evidence):
        planned = tuple(step for step in planned if step.rule != "compose-certificates")
    try:
        after = apply(text, (edit for step in planned for edit in step.edits))
    except ValueError:
        return "two of its changes meet in one place"
    if objection := _objection(after, root, found, planned):
        return objection
    listed = _with_other_values(evidence, after, root, found, planned)
    return listed if isinstance(listed, str) else (*planned, *listed)


def _steps(text: str, root: Node, found: Used) -> Iterator[Step]:
    made = [*top_steps(text, root, found), *mail_steps(text, root, found), *jwt_steps(root, found)]
    taken = {edit.start for step in made for edit in step.edits}
    for step in service_steps(text, root, found):
        # A name or an image that an earlier step replaces is settled.
        edits = tuple(e for e in step.edits if e.start == e.end or e.start not in taken)
        if edits:
            made.append(Step(step.rule, step.line, step.message, step.action, edits, step.changes))
    settled = frozenset(e.start for step in made for e in step.edits if e.end > e.start)
    yield from made
    yield from variable_steps(text, root, found, settled)


def _objection(after: str, root: Node, found: Used, planned: tuple[Step, ...]) -> str | None:
    result = yaml_spans.read(after)
    if result is None or not isinstance(result, Node):
        return "its changes would not make a readable file"
    if not signals.v2_header(signals.lines_of(after)) or not signals.has_v2_body(result):
        return "not every service can be given what v2 has (an alias, braces)"
    for context in found.contexts:
        before, now = meaning(root, context, found.project), meaning(result, context)
        for service, name in _unannounced(before, now, planned):
            return f"its meaning would change: {name} of {service or 'the file'}"
    return None


def _unannounced(before: Meaning, now: Meaning, planned: Iterable[Step]) -> list[tuple[str, str]]:
    announced = {change for step in planned for change in step.changes}
    whole = {service for service, name in announced if not name}
    return [
        (service, name)
        for service, name in sorted(differences(before, now))
        if (service, name) not in announced and (not service or service not in whole)
    ]


def _with_other_values(
    evidence: Evidence, after: str, root: Node, found: Used, planned: tuple[Step, ...]
) -> tuple[Step, ...] | str:
    """List what a service gets otherwise once the env files are upgraded as well.

    v1 may have ignored a key that v2 reads under its new name, or have had a value from a file of
    its own that no env file says. Anything but a service's environment is refused.
    """
    result = yaml_spans.read(after)
    changed: dict[str, None] = {}
    for before, later in both_times(evidence, found):
        now = meaning(result if isinstance(result, Node) else None, later)
        for service, name in _unannounced(meaning(root, before, found.project), now, planned):
            if not name.startswith("environment."):
                return f"the env files would change its meaning: {name} of {service or 'the file'}"
            changed[f"{name.removeprefix('environment.')} of {service}"] = None
    if not changed:
        return ()
    return (
        Step(
            "compose-values",
            None,
            f"v1 ran with a value that no env file says under the name that v2 reads:"
            f" {', '.join(changed)}",
            "look at it before you start the stack, and set it in the env file",
            (),
            frozenset(_pair(name) for name in changed),
        ),
    )


def _pair(shown: str) -> tuple[str, str]:
    name, _, service = shown.partition(" of ")
    return service, f"environment.{name}"

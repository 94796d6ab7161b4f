"""A v1 compose file rewritten in place into a v2 one, or the reason why a person has to do it.

What comes out is read again and held against what went in: a change of meaning that no step
announces, or a result that is no v2 file, is refused here and not found out by a database.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts.compose_images import unsettled
from nself_tasks.artifacts.compose_jwt import jwt_steps
from nself_tasks.artifacts.compose_mail import mail_steps
from nself_tasks.artifacts.compose_meaning import meaning
from nself_tasks.artifacts.compose_pins import pins
from nself_tasks.artifacts.compose_project import Used, used
from nself_tasks.artifacts.compose_services import service_steps
from nself_tasks.artifacts.compose_step import Step
from nself_tasks.artifacts.compose_top import top_steps
from nself_tasks.artifacts.compose_values import keeps_secrets, other_values, unannounced
from nself_tasks.artifacts.compose_variables import variable_steps
from nself_tasks.artifacts.env_files import broken_line
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.artifacts.nginx_files import held_by_hand
from nself_tasks.rewriting import yaml_spans
from nself_tasks.rewriting.edits import apply
from nself_tasks.rewriting.yaml_spans import Node


def build_settings(evidence: Evidence, text: str, root: Node | None) -> Mapping[str, str]:
    """Give what a later `nself build` needs to be told, so that it keeps the images in use."""
    found = used(evidence, text, root) if root else ""
    return pins(root, found) if root and isinstance(found, Used) else {}


def unknown_images(evidence: Evidence, text: str, root: Node | None) -> Iterator[Finding]:
    """Give a finding where no setting for a later `nself build` can be told from the files."""
    if root:
        found = used(evidence, text, root)
        yield from unsettled(evidence, root, found if isinstance(found, Used) else None)


def steps(evidence: Evidence, text: str, root: Node | None) -> tuple[Step, ...] | str:
    """Give what makes the file a v2 one, or why nothing can."""
    if root is None or not signals.services(root):
        return "there are no services in it"
    if root.style == "{":
        return "it is written in braces"
    if broken := broken_line(evidence):
        return f"{broken}, so what Compose used cannot be told"
    found = used(evidence, text, root)
    if isinstance(found, str):
        return found
    try:
        planned, after = _planned(evidence, text, root, found)
    except ValueError:
        return "two of its changes meet in one place"
    if objection := _objection(after, root, found, planned):
        return objection
    listed = other_values(evidence, after, root, found, planned)
    return listed if isinstance(listed, str) else (*planned, *listed)


def _planned(
    evidence: Evidence, text: str, root: Node, found: Used
) -> tuple[tuple[Step, ...], str]:
    """Give the steps and what they make of the text. Raises ValueError where two meet."""
    # That kind asks this one which layout the project has.
    from nself_tasks.artifacts import env

    by_hand, undecided = held_by_hand(evidence), env.undecided(evidence)
    for jwt in (jwt_steps(root, found), ()):
        planned = tuple(
            step
            for step in _steps(text, root, found, (tuple(jwt), undecided))
            if not (by_hand and step.rule == "compose-certificates")
        )
        after = apply(text, (edit for step in planned for edit in step.edits))
        if keeps_secrets(evidence, after, root, found, planned):
            break
    return planned, after


def _steps(
    text: str, root: Node, found: Used, given: tuple[tuple[Step, ...], frozenset[str]]
) -> Iterator[Step]:
    jwt, undecided = given
    made = [*top_steps(text, root, found, undecided), *mail_steps(text, root, found), *jwt]
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
        for service, name in unannounced(before, now, planned):
            return f"its meaning would change: {name} of {service or 'the file'}"
    return None

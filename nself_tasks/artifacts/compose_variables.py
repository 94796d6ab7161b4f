"""References to variables that have another name in v2, or that only v1 computed.

    ${HASURA_DEV_MODE:-false}  ->  ${HASURA_DEV_MODE:-${HASURA_GRAPHQL_DEV_MODE:-false}}
    ${DATABASE_URL}            ->  ${DATABASE_URL:-postgresql://${POSTGRES_USER:-postgres}:…}

The old name comes first: the value is the same before the env files are upgraded, afterwards, and
when they never are. A new name that would bring in another value today is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts import env_keys
from nself_tasks.artifacts.compose_formulas import expanded
from nself_tasks.artifacts.compose_jwt import JWT
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.compose_step import Step, scalars
from nself_tasks.rewriting.edits import Edit, apply
from nself_tasks.rewriting.yaml_spans import Node
from nself_tasks.secrets import is_secret_key

RENAMED = {
    renamed.old: renamed.new
    for renamed in env_keys.RENAMED
    if renamed.conversion in ("same", "seconds", "jwt") and renamed.old != JWT
}
"""The keys that env files have under another name afterwards."""

_DURATIONS = ("_EXPIRES_IN", "_EXPIRY")
"""What ends like this is no secret, even where TOKEN stands before it."""

_TOKEN = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(:?[-?+]|(?=\}))|\$\{|\}")


@dataclass(frozen=True, slots=True)
class _Reference:
    """A `${NAME…}`; offsets in the text that it stands in."""

    name: str
    sign: str
    start: int
    after_name: int
    closing: int


def variable_steps(text: str, root: Node, used: Used, taken: frozenset[int]) -> Iterator[Step]:
    """Give the changes of references, but for the values at whose start one is replaced."""
    edits: list[Edit] = []
    names: dict[str, None] = {}
    line: int | None = None
    # What `<<` merges into services stands in the extension fields.
    extensions = (value for key, value in root.pairs if key.value.startswith("x-"))
    for part in (*signals.services(root).values(), *extensions):
        for node in scalars(part):
            if node.start in taken or "${" not in node.value:
                continue
            for name, edit in _better(text[node.start : node.end], node, used):
                edits.append(Edit(node.start + edit.start, node.start + edit.end, edit.text))
                names[name] = None
                line = line or node.line
    if edits:
        yield Step(
            "compose-variables",
            line,
            f"variables that v2 calls otherwise or v1 computed: {', '.join(names)}",
            "each falls back on what v2 has for it; the values are the same",
            tuple(edits),
        )


def _better(source: str, node: Node, used: Used) -> Iterator[tuple[str, Edit]]:
    """Give the edits of one value that leave it what it is, before and after the env's upgrade."""
    accepted: list[Edit] = []
    before = [expanded(source, context) for context in used.contexts]
    # The outer reference of a nested one comes first.
    for reference in reversed(list(_references(source))):
        edits = tuple(_settled(reference, source, used) or _fallback(reference, node, used))
        if not edits or any(e.start <= reference.start < e.end for e in accepted):
            continue
        trial = apply(source, [*accepted, *edits])
        if before == [expanded(trial, context) for context in used.contexts]:
            accepted += edits
            yield from ((reference.name, edit) for edit in edits)


def _settled(reference: _Reference, source: str, used: Used) -> tuple[Edit, ...]:
    """Write a value out where the env's upgrade is about to give its variable another one.

    `${HASURA_PORT:-8080}` in v1 did not know of HASURA_GRAPHQL_PORT=8081, which is renamed to it.
    """
    olds = [old for old, new in RENAMED.items() if new == reference.name]
    coming = any(
        context.get(old)
        for old in olds
        for context in used.contexts
        if reference.name not in context
    )
    value = used.value(source[reference.start : reference.closing + 1]) if coming else None
    secret = is_secret_key(reference.name) and not reference.name.endswith(_DURATIONS)
    if not value or secret or not value.replace(".", "").isalnum():
        return ()
    return (Edit(reference.start, reference.closing + 1, value),)


def _references(source: str) -> Iterator[_Reference]:
    opened: list[re.Match[str] | None] = []
    for token in _TOKEN.finditer(source):
        if token[0].startswith("${"):
            opened.append(token if token[1] else None)
        elif token[0] == "}" and opened:
            start = opened.pop()
            if start:
                yield _Reference(start[1], start[2], start.start(), start.end(1), token.start())


def _fallback(reference: _Reference, node: Node, used: Used) -> Iterator[Edit]:
    after, closing = reference.after_name, reference.closing
    if new := RENAMED.get(reference.name):
        if reference.sign == "":
            yield Edit(after, after, f":-${{{new}}}")
        elif not reference.sign.endswith("+"):
            sign = reference.sign.replace("?", "-")
            yield Edit(after, after, f"{sign}${{{new}")
            yield Edit(closing, closing, "}")
    elif reference.sign == ":-" and reference.name == "PROJECT_NAME" in used.formulas:
        # v1's own default was its template's name, which no project here has.
        yield Edit(after, closing, f":-{used.prefix}")
    elif reference.sign == "" and (default := _computed(reference.name, node, used)):
        yield Edit(after, after, f":-{default}")


def _computed(name: str, node: Node, used: Used) -> str | None:
    """Give what stands for a variable that no file says any more once v1's own files are gone."""
    formula = used.formulas.get(name)
    fits = node.style or not formula or not any(mark in formula for mark in (": ", " #"))
    return formula if fits else None

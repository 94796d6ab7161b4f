"""The upgrade of a compose file's head and of its top-level keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts.compose_head import about_head, head_edits
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.compose_step import (
    Step,
    newline,
    removed_line,
    replaced,
    start_of_line,
)
from nself_tasks.rewriting.edits import Edit
from nself_tasks.rewriting.yaml_spans import Node


def top_steps(text: str, root: Node, used: Used, undecided: Iterable[str]) -> Iterator[Step]:
    """Give the changes above the services and to the file's last line.

    `undecided` are the keys of the env files that a person has to decide: the head lists them.
    """
    mark = signals.upgraded_mark(undecided)
    head, names = list(head_edits(text, root, mark)), list(_name(text, root, used))
    first = names[0].edits[0] if names else None
    if first and any(edit.start == edit.end == first.start == first.end for edit in head):
        # Two findings must not insert at one place: it is not said which of them comes first.
        head = [replace(e, text=e.text + first.text) if e.start == first.start else e for e in head]
        names = [replace(names[0], edits=())]
    if head:
        yield Step(
            "compose-v1-header",
            1,
            *about_head(signals.lines_of(text)[: signals.HEADER_LINES]),
            tuple(head),
            names[0].changes if names and not names[0].edits else frozenset(),
        )
    yield from names
    yield from _networks(root, used)
    yield from _volumes(text, root, used)


def _name(text: str, root: Node, used: Used) -> Iterator[Step]:
    """Say the project's name in the file, as Compose asks for since it has no `-p` any more."""
    written, version = root.get("name"), root.get("version")
    edits = list(replaced(written, used.project))
    line = f"name: {used.project}"
    key = root.key("version")
    if key and version:
        if written:
            edits.append(removed_line(text, key.start, version.end))
        else:
            edits.append(Edit(key.start, version.end, line))
    elif not written:
        edits.append(Edit(root.start, root.start, f"{line}{newline(text)}{' ' * root.column}"))
    if edits:
        what = "`version:`" if version else "the project's name from the environment"
        yield Step(
            "compose-project-name",
            (key or written or root).line,
            f"{what} instead of `name:`",
            f"`name: {used.project}`, which v1 ran it as",
            tuple(edits),
            frozenset({("", "name")}),
        )


def _networks(root: Node, used: Used) -> Iterator[Step]:
    """Write the networks' names out: DOCKER_NETWORK was computed, and no key is interpolated."""
    networks = root.get("networks")
    edits: list[Edit] = []
    names = {key.value for key, _ in networks.pairs} if networks else set()
    for key, spec in networks.pairs if networks else ():
        if "$" in key.value and (value := used.value(key.value)) and value not in names:
            edits += replaced(key, value)
            names.add(value)
        edits += replaced(spec.get("name"), _settled(spec.get("name"), used))
    for service in signals.services(root).values():
        joined = service.get("networks")
        for node in (*joined.items, *(key for key, _ in joined.pairs)) if joined else ():
            value = _settled(node, used)
            if value in names:
                edits += replaced(node, value)
    if edits:
        yield Step(
            "compose-network-names",
            (networks or root).line,
            "network names from variables that v1 computed",
            "the same names, written out",
            tuple(edits),
        )


def _settled(node: Node | None, used: Used) -> str | None:
    return used.value(node.value) if node and "$" in node.value else None


def _volumes(text: str, root: Node, used: Used) -> Iterator[Step]:
    """Leave the volumes what they are: same keys, same real names."""
    volumes = root.get("volumes")
    if volumes is None or volumes.style == "{":
        return
    kept = [(key, spec) for key, spec in volumes.pairs if key.value != "nginx_cache"]
    if used.rival:
        names = {key.value: f"{used.project}_{key.value}" for key, _ in kept}
        edits = [edit for key, spec in kept for edit in _pinned(text, key, spec, names[key.value])]
        yield Step(
            "compose-volume-names",
            volumes.line,
            f"COMPOSE_PROJECT_NAME={used.rival} would name other volumes than v1 used",
            f"their real names written out ({', '.join(names.values())})",
            tuple(edits),
        )
        return
    plain = [
        Edit(key.end, spec.end, ": {}")
        for key, spec in kept
        if [k.value for k, _ in spec.pairs] == ["driver"]
        and spec.pairs[0][1].value == "local"
        and spec.bare
        and "#" not in text[key.end : spec.end]
    ]
    if plain:
        yield Step(
            "compose-volumes",
            volumes.line,
            "volumes with `driver: local`, which is the default",
            "written as v2 does (`{}`); the same volumes",
            tuple(plain),
        )


def _pinned(text: str, key: Node, spec: Node, real: str) -> Iterator[Edit]:
    """Write a volume's real name into its settings, unless it has one."""
    if spec.kind == "alias" or spec.get("name") or spec.get("external"):
        return
    if spec.pairs and spec.style != "{":
        first = spec.pairs[0][0]
        gap = text[start_of_line(text, first.start) : first.start]
        yield Edit(first.start, first.start, f"name: {real}{newline(text)}{gap}")
    elif spec.pairs:
        yield Edit(spec.start + 1, spec.start + 1, f"name: {real}, ")
    else:
        end = spec.end if spec.end > spec.start else text.index(":", key.end) + 1
        yield Edit(key.end, end, f": {{name: {real}}}")

"""MailHog, which 0.1 came with, becomes Mailpit; it catches mail and keeps none.

The old name stays an alias in the network, for whatever still sends to `mailhog`.
"""

from __future__ import annotations

from collections.abc import Iterator

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.compose_step import Step, replaced
from nself_tasks.rewriting.edits import Edit
from nself_tasks.rewriting.yaml_spans import Node

IMAGE = "axllent/mailpit:latest"
"""The image of every v1 after 0.2; like MailHog's it was never pinned."""


def mail_steps(text: str, root: Node, used: Used) -> Iterator[Step]:
    """Give the change of the mail catcher."""
    found = signals.services(root)
    mailhog = found.get("mailhog")
    image = mailhog.get("image") if mailhog else None
    if not mailhog or not image or not image.value.startswith("mailhog/mailhog"):
        return
    table = root.get("services")
    key = table.key("mailhog") if table else None
    if "mailpit" in found or key is None or used.names_elsewhere("mailhog"):
        return
    edits = [*replaced(key, "mailpit"), *replaced(image, IMAGE)]
    name = mailhog.get("container_name")
    if name and name.value.endswith("_mailhog"):
        value = used.value(name.value.removesuffix("mailhog"))
        edits += replaced(name, f"{value}mailpit" if value else None)
    edits += _alias(text, mailhog)
    changes = {("mailhog", ""), ("mailpit", "")}
    for service, node in found.items():
        for property_, edit in _mentions(node):
            edits.append(edit)
            changes.add((service, property_))
    yield Step(
        "compose-mailhog",
        key.line,
        "MailHog",
        "Mailpit in its place, which answers to the name `mailhog` as well",
        tuple(edits),
        frozenset(changes),
    )


def _alias(text: str, mailhog: Node) -> Iterator[Edit]:
    key, networks = mailhog.key("networks"), mailhog.get("networks")
    if not key or not networks or len(networks.items) != 1:
        return
    name = networks.items[0].value
    if "$" not in name and "#" not in text[key.end : networks.end]:
        yield Edit(key.end, networks.end, f": {{{name}: {{aliases: [mailhog]}}}}")


def _mentions(service: Node) -> Iterator[tuple[str, Edit]]:
    """Give where a service waits for the old name or sends its mail there."""
    depends, environment = service.get("depends_on"), service.get("environment")
    if depends:
        for node in (*depends.items, *(key for key, _ in depends.pairs)):
            if node.value == "mailhog":
                yield from (("depends_on", edit) for edit in replaced(node, "mailpit"))
    for key, value in environment.pairs if environment else ():
        if value.value == "mailhog":
            name = f"environment.{key.value}"
            yield from ((name, edit) for edit in replaced(value, "mailpit"))
    for item in environment.items if environment else ():
        name, sign, rest = item.value.partition("=")
        if rest == "mailhog":
            edits = replaced(item, f"{name}{sign}mailpit")
            yield from ((f"environment.{name}", edit) for edit in edits)

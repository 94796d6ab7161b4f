"""The images that a v1 file runs, for every environment, wherever they are written.

    postgres:
      image: postgres:${PG_TAG:-13-alpine}    ->  {"dev": "postgres:15-alpine", "prod": …}
      <<: *pg                                 ->  what the anchor says
      extends: {file: common.yml, …}          ->  {}: that file is not read

v2's own `nself build` swaps the image of Postgres where nothing tells it, so what cannot be told is
said, and never passed over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from nself_tasks.artifacts import compose_signals as signals
from nself_tasks.artifacts.compose_formulas import Values, expanded
from nself_tasks.artifacts.compose_inherited import extends_file, settings
from nself_tasks.artifacts.compose_project import Used
from nself_tasks.artifacts.env_files import env_files, role
from nself_tasks.artifacts.finding import Evidence, Finding
from nself_tasks.rewriting.yaml_spans import Node

_PATH = PurePosixPath("docker-compose.yml")
_KEY = "POSTGRES_IMAGE"
_SWAPS = "`nself build` of v2 would put another one on the same data"


def image(root: Node, used: Used, service: str) -> str | None:
    """Give the image that a service runs, or None where environments differ or no file says it."""
    found = {*_images(root, service, _contexts(used)).values()}
    return found.pop() if len(found) == 1 else None


def unsettled(evidence: Evidence, root: Node, used: Used | None) -> Iterator[Finding]:
    """Say where no one setting can keep Postgres what it is, and what to do instead."""
    if "postgres" not in signals.services(root):
        return
    contexts = _contexts(used) if used else {}
    found = _images(root, "postgres", contexts)
    if not found:
        yield _finding(root, _why(root), f"make {_KEY} in `.env` what this project runs")
    elif used is None:
        # The file stays as it is, and whoever regenerates it would have another Postgres.
        if not _is_set(evidence):
            [literal] = {*found.values()}
            message = f"`postgres` runs {literal}; {_SWAPS}"
            yield _finding(root, message, f"put into `.env`: {_KEY}={literal}")
    elif len({*found.values()}) > 1 and any(contexts[e].get(_KEY) != found[e] for e in found):
        each = ", ".join(f"{value} in {name}" for name, value in found.items())
        wanted = ", ".join(f"{_KEY}={value} in `.env.{name}`" for name, value in found.items())
        message = f"the image of `postgres` differs between the environments ({each}); {_SWAPS}"
        yield _finding(root, message, f"set it for each of them: {wanted}")


def unpinned(evidence: Evidence, root: Node) -> Iterator[Finding]:
    """Say the same of a v2 file, as the upgrade of such a v1 file leaves it."""
    written = str(settings(root, "postgres").get("image") or "")
    settled = written and "$" not in written
    if "postgres" in signals.services(root) and not settled and not _is_set(evidence):
        action = f"make {_KEY} in each environment's env file what it runs"
        yield _finding(root, _why(root), action, also_in_v2=True)


def kept_by_hand(wanted: Mapping[str, str]) -> Finding | None:
    """Say which settings a file needs that a person is about to regenerate."""
    if not wanted:
        return None
    listed = ", ".join(f"{key}={value}" for key, value in wanted.items())
    message = "`nself build` of v2 starts other versions than v1 ran, unless told"
    action = f"before the next `nself build`, put into `.env`: {listed}"
    return Finding("compose-pins", "compose", _PATH, None, "manual", message, action)


def _is_set(evidence: Evidence) -> bool:
    return any(
        assignment.key == _KEY
        for file in env_files(evidence).values()
        if role(file.name) == "live"
        for assignment in file.assignments
    )


def _why(root: Node) -> str:
    """Say why the image is not known from this file."""
    found = settings(root, "postgres")
    if file := extends_file(root, "postgres"):
        return f"the image of `postgres` comes by `extends` from `{file}`; {_SWAPS}"
    if "build" in found:
        return f"`postgres` is built here and has no `image`; {_SWAPS}"
    if "image" in found:
        return f"the image of `postgres` comes from a variable; {_SWAPS}"
    return f"`postgres` has no `image`; {_SWAPS}"


def _contexts(used: Used) -> Mapping[str, Values]:
    return dict(zip(used.environments, used.contexts, strict=True))


def _images(root: Node, service: str, contexts: Mapping[str, Values]) -> Mapping[str, str]:
    """Give the image in each environment; none where it is in no file that is read."""
    has = settings(root, service)
    written = str(has.get("image") or "")
    elsewhere = extends_file(root, service) and not written
    if not written or elsewhere or "build" in has:
        return {}
    if "$" not in written:
        return dict.fromkeys(contexts, written) or {"": written}
    return {name: expanded(written, context) for name, context in contexts.items()}


def _finding(root: Node, message: str, action: str, *, also_in_v2: bool = False) -> Finding:
    table = root.get("services")
    key = table.key("postgres") if table else None
    return Finding(
        "compose-images", "compose", _PATH, key.line if key else None, "manual", message,
        f"before the next `nself build`, {action}", also_in_v2=also_in_v2,
    )  # fmt: skip

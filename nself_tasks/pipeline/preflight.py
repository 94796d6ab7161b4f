"""The step `preflight`: what the server and its rights would make of the run, asked before it.

It refuses only what surely fails. What the text of a migration does not tell is left to the server.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from nself_tasks.errors import ConnectionFailed, GuardError, InputError, NselfError, Problem
from nself_tasks.migrations.losses import losses
from nself_tasks.migrations.needs import Need, needs
from nself_tasks.migrations.server_version import newer_than
from nself_tasks.model import Script
from nself_tasks.pipeline import before
from nself_tasks.pipeline.steps import Call, Condition, StepDict

if TYPE_CHECKING:
    from nself_tasks.database.activity import Open
    from nself_tasks.database.rights import Missing
    from nself_tasks.pipeline.context import Context

PREFLIGHT = "migrate:preflight"
COUNT_LOSSES = "migrate:count-losses"
_HISTORY = "migrate:history"


def ids(context: Context) -> list[str]:
    """Give the steps of this graph that come before the lock."""
    return [PREFLIGHT, *([COUNT_LOSSES] if loses(context) else [])]


def loses(context: Context) -> bool:
    """Whether losses are counted: in every rollback, and where a pending file takes things away."""
    if context.goal == "rollback":
        return True
    try:
        return any(
            loss.kind != "unknown"
            for _, script in before.scripts(context)
            for loss in losses(script)
        )
    except InputError:
        # `history` is blocked by it and names every such file.
        return False


def preflight(context: Context) -> Iterator[StepDict]:
    """Look at rights, server version and long transactions; refuse what surely fails."""

    def looked() -> bool:
        try:
            check(context)
        except NselfError as error:
            context.before.refused = error
            raise
        return False

    yield {
        "basename": PREFLIGHT,
        "doc": "rights, server version, long transactions",
        "actions": [Call(lambda: None)],
        "task_dep": [_HISTORY],
        "uptodate": [Condition(looked, "always looks, changes nothing")],
        "meta": {"stage": "preflight", "check": True},
    }


def check(context: Context) -> None:
    """Raise GuardError with all that this server would refuse; two round trips at most.

    ConnectionFailed for a standby.
    """
    connection = before.connection(context)
    if connection is None or context.facts is None:
        return
    from nself_tasks.database.activity import activity
    from nself_tasks.database.rights import missing

    listed = [script for _, script in before.scripts(context)]
    wanted = needs(_whole(context))
    named = [need for need in wanted if need.kind == "relation"]
    found = activity(connection, named)
    if found.standby:
        raise ConnectionFailed(
            "the server is a standby or still in recovery, it takes no writes",
            hint="point `--database-url` at the primary",
            database="unchanged",
        )
    problems = _too_new(context, listed)
    lacking = missing(connection, wanted) if wanted else ()
    for need, thing, owner, role in lacking:
        what = _LACKS[need.right].format(thing=thing, owner=owner, role=role)
        problems.append(Problem(f"{what}: `{need.shown}`", need.path, need.line))
    blocking = _blocking(context, found.transactions, named)
    if problems or blocking:
        raise _refused(problems, blocking, lacking)


def _whole(context: Context) -> list[Script]:
    """Give the scripts before the first that resumes: what it has done was right then."""
    partial = {int(row.version) for row in context.history.rows if row.state == "partial"}
    listed = before.scripts(context)
    return [script for _, script in takewhile(lambda one: int(one[0]) not in partial, listed)]


_LACKS = {
    "own": "must be owner of {thing}, which belongs to `{owner}`, and this runs as `{role}`",
    "drop": "must be owner of {thing}, which belongs to `{owner}`, and this runs as `{role}`",
    "maintain": "must be owner of {thing}, which belongs to `{owner}`, and this runs as `{role}`",
    "role": "`{role}` is no member of `{owner}`",
    "create": "`{role}` may not create anything in the schema {thing}, which belongs to `{owner}`",
    "create schema": "`{role}` may not create a schema in the database {thing} of `{owner}`",
}

_BELONGS = (
    '`GRANT "{owner}" TO "{role}"`, or `ALTER … OWNER TO "{role}"`, or run as `{owner}`, or'
    ' `SET ROLE "{owner}"` first in the file'
)
_WAYS = {
    "own": _BELONGS,
    "drop": _BELONGS,
    "maintain": _BELONGS,
    "role": '`GRANT "{owner}" TO "{role}"`',
    "create": '`GRANT CREATE ON SCHEMA "{thing}" TO "{role}"`, or run as `{owner}`',
    "create schema": '`GRANT CREATE ON DATABASE "{thing}" TO "{role}"`, or run as `{owner}`',
}


def _too_new(context: Context, listed: list[Script]) -> list[Problem]:
    assert context.facts is not None
    major = context.facts.major
    return [
        Problem(
            f"{newer.what} needs PostgreSQL {newer.major}, the server is {major}",
            str(script.source.path),
            newer.line,
        )
        for script in listed
        for newer in newer_than(script, major)
    ]


def _blocking(context: Context, found: tuple[Open, ...], named: list[Need]) -> list[Problem]:
    """Name every long transaction; give those that a pending statement would surely wait for."""
    exclusive = {need.name: need for need in reversed(named) if need.exclusive}
    problems = []
    for one in found:
        who = (
            f"backend {one.pid} of `{one.user}` (`{one.application}`, {one.state}) has been in a"
            f" transaction for {_age(one.seconds)}"
        )
        held = [name for name in one.holds if name.split(".", 1)[1] in exclusive]
        for name in held:
            need = exclusive[name.split(".", 1)[1]]
            said = f"{who} and holds a lock on {name}, for which `{need.shown}` would wait"
            problems.append(Problem(said, need.path, need.line))
        if not held:
            before.say(context, "note", f"{who}: what it has locked has to wait for it")
    return problems


def _age(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def _refused(
    problems: list[Problem], blocking: list[Problem], lacking: Sequence[Missing]
) -> GuardError:
    # One way out for each sort of right: the same words serve all things that lack it.
    first = {one.need.right: one for one in reversed(lacking)}
    ways = [
        _WAYS[right].format(thing=one.thing, owner=one.owner, role=one.role)
        for right, one in first.items()
        if right not in ("drop", "maintain") or "own" not in first
    ]
    if len(problems) > len(lacking):
        ways.append("upgrade the server, or write it without what it does not know")
    if blocking:
        ways.append("let that transaction end, or end it: `SELECT pg_terminate_backend(PID)`")
    return GuardError(
        "this server would refuse what is to run"
        if problems
        else "a long transaction is in the way of what is to run",
        problems=[*problems, *blocking],
        hint=f"{'; '.join(ways)}. Nothing was changed",
        database="unchanged",
    )

"""One draft on trial: up, down and up again in a copy of the schema, and what came of it."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nself_tasks.database.proof import catalog, comparing, observing, rows
from nself_tasks.database.proof.against_rows import NOT_OF_THAT_FORM, held_against
from nself_tasks.database.proof.confined import PLANTER, Session, as_at_first, session
from nself_tasks.database.proof.extensions import lacking
from nself_tasks.database.proof.running import outside_transaction, run, screened
from nself_tasks.database.proof.values import FLAVOURS
from nself_tasks.drafting.draft import Draft, Fault, Observed, Verdict
from nself_tasks.model import Script

if TYPE_CHECKING:
    from nself_tasks.database.proof.ground import Ground, Prepared


@dataclass(slots=True)
class _Trial:
    """What is known so far."""

    prepared: Prepared
    draft: Draft
    up: Script
    down: Script
    faults: list[Fault] = field(default_factory=list)
    observed: Observed = field(default_factory=Observed)
    widened: frozenset[str] = frozenset()
    """The tables of before to which up adds a column."""


def judged(ground: Ground, draft: Draft) -> Verdict:
    """Give the verdict on a draft: our own rules first, then the server's."""
    began = time.monotonic()
    scripts = [screened(way, sql) for way, sql in (("up", draft.up), ("down", draft.down))]
    faults = [fault for found in scripts if isinstance(found, tuple) for fault in found]
    up, down = scripts
    if faults or isinstance(up, tuple) or isinstance(down, tuple):
        return Verdict(False, tuple(faults), seconds=time.monotonic() - began)
    if missing := lacking(ground, up):
        return Verdict(False, unproven=missing, seconds=time.monotonic() - began)
    trial = _tried(ground, draft, up, down)
    if ground.is_of_another_major:
        said = (
            f"proven on PostgreSQL {ground.server.major}, and the database is PostgreSQL"
            f" {ground.major}: what only one of them knows is not seen"
        )
        seen = trial.observed
        trial.observed = replace(seen, conditional=(*seen.conditional, said))
    return Verdict(not trial.faults, tuple(trial.faults), trial.observed, time.monotonic() - began)


def _tried(ground: Ground, draft: Draft, up: Script, down: Script) -> _Trial:
    """Try with texts that are words, and with others where only their form was in the way."""
    first: _Trial | None = None
    for flavour in FLAVOURS:
        trial = _Trial(ground.prepared(flavour), draft, up, down)
        _run(ground, trial)
        if not trial.faults and first is not None:
            return _conditional(trial, first.faults[0], f"such texts are {flavour}")
        first = first or trial
        if not trial.faults or trial.faults[0].sqlstate not in NOT_OF_THAT_FORM:
            break
    assert first is not None
    return _without_rows(ground, first) or first


def _without_rows(ground: Ground, failed: _Trial) -> _Trial | None:
    """Give a trial that gets through where the one altered table has no rows; None: none does.

    What adds a column is not excused by that: its default has to fit whatever rows there are.
    """
    fault = failed.faults[0] if failed.faults else None
    table = held_against(ground.server.url, failed.prepared, fault) if fault else None
    if fault is None or table is None:
        return None
    trial = _Trial(ground.prepared("words", table), failed.draft, failed.up, failed.down)
    _run(ground, trial)
    if trial.faults or table in trial.widened or table in trial.prepared.planted.tables:
        return None
    return _conditional(trial, fault, f"no row of {table} is against it")


def _conditional(trial: _Trial, fault: Fault, where: str) -> _Trial:
    """Say that it depends on the data: it holds for some, and fails for others."""
    # What is planted is nobody's data: its text would only puzzle.
    said = re.sub(r': "[^"]*"\Z', "", fault.message.partition("; detail: ")[0])
    fails = f"line {fault.line}: {said}: it holds where {where}"
    seen = trial.observed
    trial.observed = Observed(
        seen.locks,
        seen.rewritten,
        seen.losing,
        seen.outside_transaction,
        (*seen.conditional, fails),
    )
    return trial


def _run(ground: Ground, trial: _Trial) -> None:
    with ExitStack() as stack:
        stack.enter_context(ground.copied(trial.prepared))
        beside = stack.enter_context(ground.connect(ground.database))
        for statement in as_at_first():
            beside.execute(statement.encode())
        confined = stack.enter_context(session(ground.server.url, ground.database))
        tables = observing.files(beside)
        locks = observing.Locks(tables)
        pid = confined.connection.info.backend_pid
        if fault := run(confined, trial.up, "up", lambda: locks.note(beside, pid)):
            trial.faults.append(fault)
            return
        after_up = catalog.read(beside)
        trial.observed = Observed(
            locks.shown,
            observing.rewritten(tables, observing.files(beside)),
            (),
            (*outside_transaction(trial.up), *outside_transaction(trial.down)),
            tuple(
                f"no row could be planted in {table}, so nothing is known of its rows"
                for table in locks.tables
                if table in trial.prepared.planted.empty
            ),
        )
        trial.widened = comparing.widened(trial.prepared.before, after_up)
        lost = comparing.lost_on_the_way(trial.prepared.before, after_up)
        trial.faults += [Fault("compare", text) for text in lost]
        if fault := run(confined, trial.down, "down"):
            trial.faults.append(fault)
            return
        contents = _rows_after_down(ground)
        if isinstance(contents, Fault):
            trial.faults.append(contents)
            return
        _compare(trial, after_up, catalog.read(beside), contents)
        if not trial.faults:
            _again(trial, confined)


def _rows_after_down(ground: Ground) -> rows.Contents | Fault:
    import psycopg

    try:
        with session(ground.server.url, ground.database, PLANTER) as planter:
            return rows.read(planter.connection)
    except psycopg.Error as error:
        said = str(error).partition("\n")[0]
        return Fault("rows", f"the rows cannot be read after down: {said}", error.sqlstate)


def _compare(
    trial: _Trial, after_up: catalog.Catalog, after: catalog.Catalog, contents: rows.Contents
) -> None:
    """Hold the catalog and the rows against those of before."""
    prepared = trial.prepared
    found = comparing.differences(prepared.before, after_up, after)
    trial.faults += [Fault("compare", f"after down {text}") for text in found]
    losing = []
    for loss in rows.losses(prepared.contents, contents):
        explained = comparing.is_explained(prepared.before, after_up, loss.table, loss.column)
        if loss.more:
            trial.faults.append(Fault("rows", f"after down there are {loss.words}"))
        elif trial.draft.loses_data:
            losing.append(loss.words)
        else:
            why = "up takes it away" if explained else "up changes it"
            trial.faults.append(
                Fault(
                    "rows",
                    f"after down {loss.words} are not as before: {why}, and down does not bring it"
                    " back; restore it, or say that data is lost",
                )
            )
    trial.faults += [
        Fault("rows", f"after down the sequence {name} gives numbers again that it had given")
        for name in rows.set_back(prepared.contents, contents)
        if not trial.draft.loses_data
    ]
    seen = trial.observed
    trial.observed = Observed(
        seen.locks, seen.rewritten, tuple(losing), seen.outside_transaction, seen.conditional
    )


def _again(trial: _Trial, confined: Session) -> None:
    if fault := run(confined, trial.up, "up again"):
        trial.faults.append(fault)

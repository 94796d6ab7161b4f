"""One draft on trial: up, down and up again in a copy of the schema, and what came of it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from nself_tasks.database.proof import catalog, comparing, observing, rows
from nself_tasks.database.proof.confined import PLANTER, Session, as_at_first, session
from nself_tasks.database.proof.running import Idle, outside_transaction, run
from nself_tasks.drafting.draft import Draft, Fault, Observed
from nself_tasks.model import Script

if TYPE_CHECKING:
    from nself_tasks.database.proof.ground import Ground, Prepared


@dataclass(slots=True)
class Trial:
    """What is known so far."""

    prepared: Prepared
    draft: Draft
    up: Script
    down: Script
    faults: list[Fault] = field(default_factory=list)
    observed: Observed = field(default_factory=Observed)
    widened: frozenset[str] = frozenset()
    """The tables of before to which up adds a column."""
    idle: list[Idle] = field(default_factory=list)
    """The statements that were to change rows and met none."""

    def depends(self, *conditions: str) -> Trial:
        """Say what of it holds for some data only."""
        said = (*self.observed.conditional, *conditions)
        self.observed = replace(self.observed, conditional=said)
        return self


def run_trial(ground: Ground, trial: Trial) -> Trial:
    """Run it in a copy of what was prepared for it, and give it with what came of it."""
    with ExitStack() as stack:
        stack.enter_context(ground.copied(trial.prepared))
        beside = stack.enter_context(ground.connect(ground.database))
        for statement in as_at_first():
            beside.execute(statement.encode())
        confined = stack.enter_context(session(ground.server.url, ground.database))
        tables = observing.files(beside)
        locks = observing.Locks(tables)
        pid = confined.connection.info.backend_pid
        if fault := run(confined, trial.up, "up", trial.idle, lambda: locks.note(beside, pid)):
            trial.faults.append(fault)
            return trial
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
        if fault := run(confined, trial.down, "down", trial.idle):
            trial.faults.append(fault)
            return trial
        contents = _rows_after_down(ground)
        if isinstance(contents, Fault):
            trial.faults.append(contents)
            return trial
        _compare(trial, after_up, catalog.read(beside), contents)
        if not trial.faults:
            _again(trial, confined)
    return trial


def _rows_after_down(ground: Ground) -> rows.Contents | Fault:
    import psycopg

    try:
        with session(ground.server.url, ground.database, PLANTER) as planter:
            return rows.read(planter.connection)
    except psycopg.Error as error:
        said = str(error).partition("\n")[0]
        return Fault("rows", f"the rows cannot be read after down: {said}", error.sqlstate)


def _compare(
    trial: Trial, after_up: catalog.Catalog, after: catalog.Catalog, contents: rows.Contents
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
            why = why if loss.column else "up removes them"
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
    trial.observed = replace(trial.observed, losing=tuple(losing))


def _again(trial: Trial, confined: Session) -> None:
    if fault := run(confined, trial.up, "up again", []):
        trial.faults.append(fault)

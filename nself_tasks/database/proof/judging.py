"""The verdict on a draft: which rows it is tried with, and what that says of yours.

The planted rows are nobody's. Where a draft fails by what is in them alone, it is tried with
others; where one of its statements met none of them, with rows that it looks for.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from nself_tasks.database.proof.against_rows import (
    NOT_OF_THAT_FORM,
    TOO_MUCH,
    held_against,
    looked_for,
)
from nself_tasks.database.proof.extensions import lacking
from nself_tasks.database.proof.running import screened
from nself_tasks.database.proof.tables import Planting
from nself_tasks.database.proof.trial import Trial, run_trial
from nself_tasks.database.proof.values import FORMS
from nself_tasks.drafting.draft import Draft, Fault, Verdict
from nself_tasks.model import Script

if TYPE_CHECKING:
    from nself_tasks.database.proof.ground import Ground


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
        trial.depends(said)
    return Verdict(not trial.faults, tuple(trial.faults), trial.observed, time.monotonic() - began)


def _tried(ground: Ground, draft: Draft, up: Script, down: Script) -> Trial:
    """Try with texts that are words, and with other rows where only those were in the way."""

    def trial(planting: Planting) -> Trial:
        return run_trial(ground, Trial(ground.prepared(planting), draft, up, down))

    def with_rows_met(planting: Planting) -> Trial:
        return _with_rows_met(trial, planting)

    first = with_rows_met(Planting())
    if not first.faults:
        return first
    fault = first.faults[0]
    if fault.sqlstate in TOO_MUCH:
        modest = with_rows_met(Planting("modest"))
        if not modest.faults:
            return modest.depends(_but(fault, TOO_MUCH[fault.sqlstate]))
    for form in FORMS if fault.sqlstate in NOT_OF_THAT_FORM else ():
        other = with_rows_met(Planting(form))
        if not other.faults:
            return other.depends(_but(fault, f"such texts are {form}"))
        if other.faults[0].sqlstate not in NOT_OF_THAT_FORM:
            break
    return _without_rows(ground, first, with_rows_met) or first


def _with_rows_met(trial: Callable[[Planting], Trial], planting: Planting) -> Trial:
    """Give the trial with rows that its statements look for, where they meet none of the usual.

    Where up fails with those, the rows are odd: what is known of the first trial stands.
    """
    found = trial(planting)
    if found.faults:
        return found
    if met := looked_for(found.idle):
        second = trial(replace(planting, met=met))
        if not second.faults or second.faults[0].stage != "up":
            found = second
    if found.faults:
        return found
    unknown = [
        f"{idle.way}, line {idle.line}: the {idle.verb} met no planted row, so nothing is known of"
        " what it does"
        for idle in found.idle
    ]
    return found.depends(*unknown)


def _without_rows(
    ground: Ground, failed: Trial, trial: Callable[[Planting], Trial]
) -> Trial | None:
    """Give a trial that gets through where the one altered table has no rows; None: none does.

    What adds a column is not excused by that: its default has to fit whatever rows there are.
    """
    fault = failed.faults[0]
    table = held_against(ground.server.url, failed.prepared, fault)
    if table is None:
        return None
    found = trial(Planting(without=table))
    if found.faults or table in found.widened or table in found.prepared.planted.tables:
        return None
    return found.depends(_but(fault, f"no row of {table} is against it"))


def _but(fault: Fault, where: str) -> str:
    """Say that it fails for some data, and for which it holds."""
    # What is planted is nobody's data: its text would only puzzle.
    said = re.sub(r': "[^"]*"\Z', "", fault.message.partition("; detail: ")[0])
    at = fault.stage if fault.line is None else f"{fault.stage}, line {fault.line}"
    return f"{at}: {said}: it holds where {where}"

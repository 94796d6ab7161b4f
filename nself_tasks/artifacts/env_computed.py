"""What v1's build made up and no env file says, a generated password above all.

v2 does not read `.env.computed` of v1, so containers would get another value, or none.
"""

from __future__ import annotations

from collections.abc import Iterator

from nself_tasks.artifacts.compose_formulas import DATABASE_URL, is_written_out
from nself_tasks.artifacts.compose_project import COMPUTED
from nself_tasks.artifacts.compose_references import compose_files, names_in
from nself_tasks.artifacts.env_files import SECRETS, Setting
from nself_tasks.artifacts.env_keys import renamed
from nself_tasks.artifacts.env_plan import Plan
from nself_tasks.artifacts.env_values import Value, converted
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.rewriting import dotenv
from nself_tasks.rewriting.expansion import references

_FORMULAS = frozenset({"DATABASE_URL", "POSTGRES_URL"})
"""v2 computes these as v1 did."""


def carry(made: Plan, evidence: Evidence) -> None:
    """Take what a compose file uses and only v1's own files say into `.env.secrets`."""
    secrets = made.files.get(SECRETS)
    if secrets and secrets.broken:
        return
    said = {key for pairs in made.entries().values() for key, _ in pairs}
    names = {name for text in compose_files(evidence).values() for name in names_in(text)}
    # The password is in the URL that compose files get, too.
    names |= set(references(DATABASE_URL)) if names & _FORMULAS else set()
    for old, setting in _computed(evidence):
        if old not in names or old in said or setting.value is None:
            continue
        row = renamed(old)
        pairs = converted(row.new, row.conversion, setting.value) if row else None
        for key, value in pairs or ((old, setting.value),):
            if key not in said:
                made.add(SECRETS, key, Setting(value, False, setting.file))


def _computed(evidence: Evidence) -> Iterator[tuple[str, Setting]]:
    found: dict[str, Setting] = {}
    for name in COMPUTED:
        text = evidence.text(name) or ""
        for assignment in dotenv.parse(text):
            if assignment.value:
                found[assignment.key] = Setting(Value.of(assignment, text), False, name)
    for key, setting in found.items():
        if key not in _FORMULAS and setting.value and not is_written_out(key, setting.value.text):
            yield key, setting

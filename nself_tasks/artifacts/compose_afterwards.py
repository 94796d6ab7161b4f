"""What Compose will use after the upgrade: the env files as they become, in v2's order."""

from __future__ import annotations

from collections.abc import Iterator

from nself_tasks.artifacts.compose_project import Used, Values
from nself_tasks.artifacts.env_files import order
from nself_tasks.artifacts.finding import Evidence
from nself_tasks.artifacts.upgrade import upgraded
from nself_tasks.rewriting import dotenv


def both_times(evidence: Evidence, used: Used) -> Iterator[tuple[Values, Values]]:
    """Give the variables of each environment as v1 used them, and as they will be."""
    # That kind asks this one which layout the project has.
    from nself_tasks.artifacts import env

    fixes, undecided = env.becoming(evidence)
    made = upgraded(evidence, fixes)
    texts = {str(path): text for path, text in evidence.texts.items()}
    texts |= {str(path): file.text or "" for path, file in made.items()}
    for name, before in zip(used.environments, used.contexts, strict=True):
        merged = {
            assignment.key: assignment
            for file in order(name, "v2")
            for assignment in dotenv.parse(texts.get(file, ""))
        }
        later = dotenv.interpolate(merged, {})
        # What a person must decide is reported with the env files, and may stay as it was.
        kept = {key: before[key] for key in undecided if key in before}
        yield before, {**later, **kept}

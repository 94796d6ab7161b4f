"""One `rollback --files`: which backup, what of it differs from today's files, how far it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from nself_tasks import file_backup, installation
from nself_tasks import intent as intents
from nself_tasks.errors import GuardError
from nself_tasks.intent import Entry, Intent
from nself_tasks.storage import replace_synced

if TYPE_CHECKING:
    from nself_tasks.discovery import Project


@dataclass
class Restoration:
    """One `rollback --files`: which backup, and what of it differs from today's files."""

    project: Project
    manifest: Mapping[str, Any]
    run_id: str
    force: bool = False
    today: str | None = None
    """The id of the backup of today's files, once it is taken."""
    notice: Callable[[str, str], None] = field(default=lambda level, text: None)

    @property
    def files(self) -> list[Mapping[str, Any]]:
        """The entries of the files that are put back."""
        return list(self.manifest["files"])

    @property
    def created(self) -> list[str]:
        """The files that the upgrade made and that go away."""
        return list(self.manifest.get("created", ()))

    @property
    def created_folders(self) -> list[str]:
        """The folders that the upgrade made; those that are empty go away."""
        return list(self.manifest.get("created_folders", ()))

    def is_restored(self, entry: Mapping[str, Any]) -> bool:
        """Tell whether a file is as the backup has it."""
        return installation.is_restored(self.project, entry)

    def is_removed(self, path: str) -> bool:
        """Tell whether a file that the upgrade made is gone."""
        return installation.is_removed(self.project, path, self.created_folders)

    @property
    def left(self) -> list[str]:
        """The files that are not yet as they were."""
        changed = [entry["source"] for entry in self.files if not self.is_restored(entry)]
        return changed + [path for path in self.created if not self.is_removed(path)]

    def differences(self) -> list[dict[str, Any]]:
        """Give each file that is not yet as the backup has it, and what becomes of it."""
        made = set(self.created)
        return [
            {"path": path, "change": self._change(path, created=path in made), "mode": None}
            for path in self.left
        ]

    def _change(self, path: str, *, created: bool) -> str:
        if created:
            return "removed"
        return "changed" if (self.project.root / path).exists() else "created"

    def check(self) -> bool:
        """Raise GuardError when files were changed since the upgrade, unless forced; NselfError for
        a damaged copy, before the first file is put back."""
        for entry in self.files:
            installation.saved(self.project, self.manifest, entry)
        changed = file_backup.changed_since(self.project, self.manifest)
        if changed and not self.force:
            raise GuardError(
                f"{len(changed)} file{'s were' if len(changed) > 1 else ' was'} changed since the"
                " upgrade",
                problems=changed,
                hint="`--force-files` puts them back all the same; today's files are backed up"
                " first",
                database="unchanged",
            )
        return False

    @property
    def is_intended(self) -> bool:
        """Whether it is on disk what is about to happen, so that a crash can be finished."""
        intent = intents.readable_intent(self.project)
        return intent is not None and intent.backup == self.manifest["timestamp"]

    def intend(self) -> None:
        """Put on disk that these files are on their way back, and what they are today.

        It is the intent of the upgrade that is undone: a run takes it up and goes forward again,
        a rollback goes back.
        """
        project = self.project
        was = {entry["source"]: entry["sha256"] for entry in self.files}
        entries = []
        for path in self.left:
            today = installation.real_path(project, path)
            after, mode = installation.digest(today), installation.mode_of(today)
            entries.append(Entry(path, was.get(path), after, mode or 0))
            if after is not None:
                replace_synced(intents.staged_path(project, path), today.read_bytes(), 0o600)
        intents.write_intent(
            project,
            Intent(
                run_id=self.run_id,
                era=self.manifest.get("era", "v1"),
                environment="",
                target="",
                backup=self.manifest["timestamp"],
                entries=tuple(entries),
            ),
        )

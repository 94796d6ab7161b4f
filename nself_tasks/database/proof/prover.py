"""The proof of drafts: it starts its server while the model works, and judges what that drafts."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

from nself_tasks.database.proof.ground import Ground, prepared_ground
from nself_tasks.database.proof.judging import judged
from nself_tasks.database.proof.live import CannotCopy, Live, dumped
from nself_tasks.drafting.draft import Draft, Verdict
from nself_tasks.errors import ConnectionFailed, InputError, NselfError
from nself_tasks.migrations.directory import collect
from nself_tasks.model import Migration
from nself_tasks.project import read_migration_files

if TYPE_CHECKING:
    from types import TracebackType

    from nself_tasks.settings import Settings


class Prover:
    """Proves drafts on a scratch server, which is gone when this is left."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = ExitStack()
        self._ground: Ground | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._prepare, name="nself-proof", daemon=True)

    def __enter__(self) -> Prover:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.join()
        self._open.close()

    def prove(self, draft: Draft) -> Verdict:
        """Run the draft up, down and up again where it can do no harm, and give what was seen."""
        self._thread.join()
        if isinstance(self._error, NselfError):
            return Verdict(proven=False, unproven=self._error.message)
        if self._error is not None:
            raise self._error
        assert self._ground is not None
        return judged(self._ground, draft)

    def _prepare(self) -> None:
        import psycopg

        try:
            with ExitStack() as reading:
                live = self._live(reading)
                self._ground = self._open.enter_context(prepared_ground(live, self._migrations()))
        except psycopg.Error as error:
            said = str(error).strip().splitlines()
            self._error = NselfError(f"the schema cannot be copied: {said[0] if said else error}")
        except BaseException as error:
            self._error = error

    def _live(self, reading: ExitStack) -> Live | None:
        """Give the live schema; None where no database answers, and the files have to do."""
        target = self._settings.target
        if target.url is None and not target.embedded:
            return None
        try:
            return reading.enter_context(dumped(target, self._settings.project.root))
        except ConnectionFailed:
            # That the schema is read from the files was said when it was read for the model.
            return None

    def _migrations(self) -> tuple[Migration, ...]:
        try:
            return collect(read_migration_files(self._settings.project))
        except InputError as error:
            raise CannotCopy(f"the migrations before it cannot be read: {error.message}") from None

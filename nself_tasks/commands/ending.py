"""How a command ends whose graph did not get through: by an error, or by a signal."""

from __future__ import annotations

from typing import Any

from nself_tasks.errors import NselfError, unexpected
from nself_tasks.reporting.document import error_object


def failure(cause: BaseException, hint: str) -> tuple[dict[str, Any], int]:
    """Give the error object and the exit code; `hint` is said where the cause has none."""
    stopped = isinstance(cause, KeyboardInterrupt)
    known = cause if isinstance(cause, NselfError) else unexpected(cause)
    if stopped:
        known = NselfError(f"stopped by {getattr(cause, 'name', 'Ctrl-C')}")
    known.hint = known.hint or hint
    code = getattr(cause, "exit_code", 130) if stopped else known.exit_code
    return error_object(known) | ({"code": "interrupted"} if stopped else {}), code

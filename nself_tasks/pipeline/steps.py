"""The joint between our functions and doit: conditions, actions, and what a step may raise."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from doit.action import BaseAction
from doit.exceptions import TaskError, TaskFailed

from nself_tasks.errors import NselfError

StepDict = dict[str, Any]
"""A doit task as data: what a creator yields."""


class PlanStale(Exception):
    """After the lock, history or files are not what the graph was built from."""


class Condition:
    """A question to the world; true means that the step has nothing to do.

    An exception of `test` means that the step is blocked: doit would let it escape from the whole
    run, so it is kept, and the step fails with it instead of running.
    """

    # doit calls inspect.signature on every callable; an instance attribute makes that free.
    __signature__ = inspect.Signature()

    def __init__(self, test: Callable[[], bool], why: str) -> None:
        self.test, self.why = test, why
        self.raised: Exception | None = None

    def __call__(self) -> bool:
        self.raised = None
        try:
            return bool(self.test())
        except Exception as error:
            self.raised = error
            return False

    def __repr__(self) -> str:
        return self.why


def raised(task: Any) -> Exception | None:
    """Give what a condition of a doit task raised when it was last asked."""
    asked = (question for question, *_ in task.uptodate) if task is not None else ()
    return next((q.raised for q in asked if isinstance(q, Condition) and q.raised), None)


class Call(BaseAction):  # type: ignore[misc]
    """Calls a function as a doit action: no signature tricks, no swapped stdout.

    doit reduces an exception to text; `fail.cause` keeps the object.
    """

    def __init__(self, function: Callable[..., dict[str, Any] | None], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments
        self.task: Any = None
        self.out: str | None = None
        self.err: str | None = None
        self.result: str | None = None
        self.values: dict[str, Any] = {}

    def __str__(self) -> str:
        return getattr(self.function, "__qualname__", repr(self.function))

    def execute(self, out: Any = None, err: Any = None) -> TaskFailed | TaskError | None:
        """Run it; gives None, or doit's failure object with the exception as `cause`."""
        try:
            if (blocking := raised(self.task)) is not None:
                raise blocking
            values = self.function(*self.arguments)
        except NselfError as error:
            fail = TaskFailed(error.message)
            fail.cause = error
            return fail
        except PlanStale as error:
            fail = TaskFailed("the plan is not current any more")
            fail.cause = error
            return fail
        except Exception as error:
            # KeyboardInterrupt and our signals are BaseExceptions and pass.
            fail = TaskError(f"{type(error).__name__}: {error}", error)
            fail.cause = error
            return fail
        self.values = values or {}
        return None


def step_name(path: str) -> str:
    """Give the path as a step's name: doit takes `=` for a variable and `*` for a wildcard."""
    safe = "/ !\"#$&'()+,-.:;<>?@[]^_`{|}~"
    return quote(path, safe=safe, errors="surrogateescape")

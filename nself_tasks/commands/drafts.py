"""`generate` with a model: what is sent, the rounds, and the files of what came out."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from nself_tasks.commands.draft_report import finished, shown
from nself_tasks.commands.generate import require_own_folder
from nself_tasks.commands.schema_outline import read_schema
from nself_tasks.drafting.endpoint import Endpoint, endpoint, require_allowed
from nself_tasks.drafting.installed import model_name, plugin_installed
from nself_tasks.drafting.known_secrets import known_secrets
from nself_tasks.drafting.prompt import LONGEST_DESCRIPTION, Request, request
from nself_tasks.drafting.rounds import Drafted, Proves, converse
from nself_tasks.errors import UsageError
from nself_tasks.secrets import but_words

if TYPE_CHECKING:
    from nself_tasks.drafting.client import Client
    from nself_tasks.model import Report
    from nself_tasks.reporting.terminal import Terminal
    from nself_tasks.settings import Settings

_NO_PLUGIN = (
    "the files are empty: a model drafts the SQL where the ai plugin is installed"
    " (`nself plugin install ai`, or NSELF_PLUGIN_AI=true)"
)
_NO_ENDPOINT = (
    "the files are empty: no model's endpoint is configured; set NSELF_AI_BASE_URL and"
    " NSELF_AI_API_KEY, or OPENAI_API_KEY, or start Ollama"
)


def drafted(
    settings: Settings, description: str, options: argparse.Namespace, terminal: Terminal
) -> Report | None:
    """Give the report of a draft; None, with a line that says why, where empty files are due.

    Raises UsageError, GuardError, ModelFailed and DraftFailed; then no file has been written.
    """
    _require_words(description)
    if not options.show_prompt and not plugin_installed(settings):
        terminal.notice("note", _NO_PLUGIN)
        return None
    found = endpoint(settings.environ)
    if found is None and not options.show_prompt:
        terminal.notice("warning", _NO_ENDPOINT)
        return None
    secrets = _secrets(settings, found, terminal)
    model = model_name(settings, options.model, found.model if found else None)
    if options.show_prompt:
        return shown(_request(settings, description, secrets, terminal)[0], model, found)
    assert found is not None
    require_allowed(found, offline=settings.offline)
    require_own_folder(settings)
    if not model:
        raise UsageError(
            f"no model is named for `{found.shown}` ({found.source})",
            hint="name one with `--model` or NSELF_AI_MODEL",
        )
    if found.bare:
        terminal.notice("warning", f"`{found.shown}` is asked without encryption, over the network")
    asking = _client(settings, found, model, terminal)
    with _prover(settings) as prover:
        asked, secrets = _request(settings, description, secrets, terminal)
        result = _conversation(asking, prover, asked, options, secrets, terminal)
    return finished(
        settings, description, result, asking, terminal, keep_unproven=options.keep_unproven
    )


def _prover(settings: Settings) -> AbstractContextManager[Proves]:
    """Give the proof of drafts, whose scratch server starts while the model works."""
    from nself_tasks.database.proof.prover import Prover

    return Prover(settings)


def _require_words(description: str) -> None:
    if not description.strip():
        raise UsageError(
            "the description is empty", hint='say what changes: `generate "add orders table"`'
        )
    if len(description) > LONGEST_DESCRIPTION:
        raise UsageError(
            f"the description has {len(description):,} characters, a model gets at most"
            f" {LONGEST_DESCRIPTION:,}",
            hint="say it shorter, or use `--no-ai`",
        )


def _secrets(settings: Settings, found: Endpoint | None, terminal: Terminal) -> tuple[str, ...]:
    """Give all known secrets, and keep them out of every output too."""
    key = (found.key,) if found and found.key else ()
    secrets = (*known_secrets(settings), *key)
    terminal.secrets = (*terminal.secrets, *secrets)
    return secrets


def _request(
    settings: Settings, description: str, secrets: tuple[str, ...], terminal: Terminal
) -> tuple[Request, tuple[str, ...]]:
    """Give the request, and the secrets without those that are names of this schema."""
    outline, names = read_schema(settings, terminal.notice)
    secrets = but_words(secrets, outline.words)
    terminal.secrets = but_words(terminal.secrets, outline.words)
    return request(description, outline, names=names, secrets=secrets), secrets


def _client(settings: Settings, found: Endpoint, model: str, terminal: Terminal) -> Client:
    from nself_tasks.drafting.client import SILENCE_SECONDS, Client

    silence = SILENCE_SECONDS
    if said := settings.environ.get("NSELF_AI_TIMEOUT"):
        try:
            silence = float(said)
        except ValueError:
            silence = 0.0
        if not 0 < silence <= 3600:
            raise UsageError(
                f"NSELF_AI_TIMEOUT is `{said}`, no number of seconds up to 3600",
                hint="set a number, or nothing",
            )
    client = Client(found, model, terminal.notice, silence=silence)
    client.prepare()
    return client


def _conversation(
    asking: Client,
    prover: Proves,
    asked: Request,
    options: argparse.Namespace,
    secrets: tuple[str, ...],
    terminal: Terminal,
) -> Drafted:
    """Let model and proof talk, with a line that shows how far the answer is."""
    from nself_tasks.reporting.ticking import Ticking

    terminal.notice("note", f"{asking.model} at {asking.endpoint.shown} drafts the SQL")
    with Ticking(terminal) as ticking:
        asking.progress = ticking.reached
        return converse(
            asking,
            prover,
            asked,
            rounds=options.rounds,
            secrets=secrets,
            notice=terminal.notice,
        )

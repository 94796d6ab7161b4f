"""Whether drafts are wanted at all: the `ai` plugin is installed, or said to be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nself_tasks.artifacts.plugin_home import FOLDER

if TYPE_CHECKING:
    from nself_tasks.settings import Settings

SWITCH = "NSELF_PLUGIN_AI"


def plugin_installed(settings: Settings) -> bool:
    """Tell whether the ai plugin is there: in the home folder, in the project, or by the switch.

    The switch may stand in the project's env files: it names neither a host nor a key.
    """
    said = settings.environ.get(SWITCH, settings.cascade.values.get(SWITCH, "")).strip().lower()
    if said:
        return said in ("true", "1", "yes", "on")
    home = settings.environ.get("HOME") or ""
    places = [Path(home) / FOLDER / "ai" / "plugin.json"] if Path(home).is_absolute() else []
    places += [
        settings.project.root / "plugins" / "ai" / n for n in ("manifest.json", "plugin.json")
    ]
    return any(place.is_file() for place in places)


def model_name(settings: Settings, flag: str | None, default: str | None) -> str | None:
    """Give the model: `--model`, NSELF_AI_MODEL of the process or the project, the endpoint's own.

    A project may name a model, as it is asked at the operator's endpoint alone.
    """
    own = settings.environ.get("NSELF_AI_MODEL") or settings.cascade.values.get("NSELF_AI_MODEL")
    return flag or own or default

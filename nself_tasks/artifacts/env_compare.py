"""When two settings are the same, and when one must not be seen by everybody."""

from __future__ import annotations

from nself_tasks.artifacts.env_files import SECRETS, Setting
from nself_tasks.artifacts.env_keys import DEFAULTS
from nself_tasks.artifacts.env_values import Value
from nself_tasks.secrets import is_secret_key, mask_url


def equal(key: str, one: Setting | None, other: Setting | None) -> bool:
    """Tell whether two settings of a key give the same, a default counting as none."""
    return _meant(key, one) == _meant(key, other)


def is_secret(key: str, setting: Setting) -> bool:
    """Tell whether a setting must not stand in a file that people may commit."""
    text = setting.value.text if setting.value else ""
    return is_secret_key(key) or setting.file == SECRETS or mask_url(text) != text


def _meant(key: str, setting: Setting | None) -> tuple[Value | None, bool]:
    if setting is None or (setting.value and setting.value.text == DEFAULTS.get(key)):
        return None, bool(setting and setting.inherits)
    return setting.value, setting.inherits

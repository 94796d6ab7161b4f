"""The environment of an operator: a model, and a scratch server or none."""

from __future__ import annotations

from model_for_tests import Model
from servers_for_tests import ScratchServer, installation

NO_SCRATCH_SERVER = {"NSELF_PG_BINDIR": "/nowhere"}


def programs(server: ScratchServer) -> str:
    """The folder of the tests' server, so that proofs run on its major version."""
    found = installation(server.kind)
    assert found is not None
    return str(found.bin_dir)


def ai(model: Model) -> dict[str, str]:
    """The environment of somebody who has the plugin and this model."""
    return {
        "NSELF_PLUGIN_AI": "true",
        "NSELF_AI_BASE_URL": model.url,
        "NSELF_AI_API_KEY": "key-of-the-operator",
        "NSELF_AI_MODEL": "small-1",
        "NO_COLOR": "1",
    }

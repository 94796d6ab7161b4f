"""What holds for the permissions of every file, whatever kind it is of."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import v1_projects
from hypothesis import given, settings
from hypothesis import strategies as st
from servers_for_tests import Nself
from v1_projects import Tree, tree

PLUGIN = '{"name": "own", "version": "1.0.0", "description": "x"}\n'
TEXTS = {
    **v1_projects.files(),
    ".env.secrets": "OTHER_SECRET=of-nobody\n",
    ".env.example": "HASURA_ADMIN_SECRET=\n",
    "plugins/own/plugin.json": PLUGIN,
}
SECRETS = ".env.secrets"


def modes(found: Tree) -> dict[str, int]:
    return {name: mode for name, (mode, _) in found.items()}


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_an_upgrade_keeps_the_permissions_of_every_file_but_that_of_secrets(
    data: st.DataObject,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = v1_projects.write(Path(folder) / "shop", TEXTS)
        for name in sorted(TEXTS):
            bits = data.draw(st.integers(0, 0o77), label=name)
            (shop / name).chmod(0o600 | bits | data.draw(st.sampled_from([0, stat.S_IXUSR])))
        before = tree(shop)
        (Path(folder) / "home").mkdir()
        nself = Nself(shop, {"HOME": f"{folder}/home"})
        assert nself("run", "--files-only").code == 0
        after = tree(shop)
        wanted = modes(before) | ({SECRETS: 0o600} if before[SECRETS] != after[SECRETS] else {})
        changed = {n for n, m in modes(after).items() if n in wanted and m != wanted[n]}
        assert changed == set()
        assert nself("rollback", "--files").code == 0
        assert tree(shop) == before

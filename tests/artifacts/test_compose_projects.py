"""Which project a v1 compose file is, where several env files say something about it."""

from __future__ import annotations

import carried_projects
import pytest
from trees_for_tests import evidence

from nself_tasks.artifacts import compose, registry
from nself_tasks.artifacts.finding import Finding
from nself_tasks.artifacts.upgrade import upgraded

V1 = carried_projects.V1
HEADLESS = V1[V1.index("networks:") :]
UNNAMED = HEADLESS.replace("shop_network", "inner")


def file_finding(text: str = V1, **env: str) -> Finding:
    """What is said about the compose file itself: `env_prod="…"` is `.env.prod`."""
    files = {"." + name.replace("_", "."): given for name, given in env.items()}
    given = evidence({"docker-compose.yml": text, **files})
    found = next(iter(compose.detect(given)))
    changes = upgraded(given, [f for kind in registry.kinds() for f in kind.detect(given)])
    assert (found.status == "manual") == (compose.PATH not in changes)
    return found


@pytest.mark.parametrize(
    "text", [V1, HEADLESS, UNNAMED], ids=["header", "network", "nothing that names it"]
)
def test_environments_with_other_projects_keep_their_volumes(text: str) -> None:
    found = file_finding(
        text, env="ENV=dev\n", env_dev="PROJECT_NAME=shop\n", env_prod="PROJECT_NAME=shop-live\n"
    )
    assert found.status == "manual"
    assert "PROJECT_NAME is `shop` in dev, `shop-live` in prod" in found.message
    assert "other volumes" in found.message


def test_the_environment_that_the_project_is_in_does_not_decide_for_the_others() -> None:
    names = {"env_staging": "PROJECT_NAME=shop\n", "env_prod": "PROJECT_NAME=live\n"}
    assert file_finding(env="ENV=prod\n", **names).status == "manual"
    assert file_finding(env="ENV=staging\n", **names).status == "manual"


@pytest.mark.parametrize(
    "env",
    [
        {"env": "PROJECT_NAME=shop\n", "env_prod": "PROJECT_NAME=live\n"},
        {"env_dev": "PROJECT_NAME=shop\n", "env_prod": "A=1\n"},
        {"env_dev": "PROJECT_NAME=shop\n", "env_prod": "PROJECT_NAME='shop'\n"},
        {"env_dev": "PROJECT_NAME=shop\n", "env_prod": "COMPOSE_PROJECT_NAME=live\n"},
    ],
    ids=["`.env` won in v1", "inherited", "quoted", "a name that v1 ignored"],
)
def test_one_name_in_every_environment_is_written_down(env: dict[str, str]) -> None:
    assert file_finding(**env).status == "migrate"


def test_a_name_of_another_build_is_not_taken_for_one_that_is_missing() -> None:
    found = file_finding(env="PROJECT_NAME=other\n")
    assert "built for the project `shop`, but PROJECT_NAME is `other`" in found.message


def test_a_written_name_that_differs_by_another_variable_is_not_called_empty() -> None:
    text = V1.replace("networks:", "name: shop-${STAGE}\nnetworks:", 1)
    found = file_finding(text, env="PROJECT_NAME=shop\n", env_dev="STAGE=a\n", env_prod="STAGE=b\n")
    assert "`name: shop-${STAGE}` differs between the environments" in found.message

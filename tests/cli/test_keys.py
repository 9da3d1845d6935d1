"""``toxgrade keys``."""

from pathlib import Path
from typing import get_args

from tests.cli.program import toxgrade
from toxgrade.server.access import Role


def test_keys_are_made_listed_and_revoked(tmp_path: Path) -> None:
    toxgrade("keys", "create", "ward 7", "--role", "writer", "--study", "default", cwd=tmp_path)
    toxgrade("keys", "create", "lead", "--days", "90", cwd=tmp_path)
    ward, lead = toxgrade("keys", "list", cwd=tmp_path).stdout.splitlines()
    assert ward.split()[1:] == ["writer", "default", "valid", "ward", "7"]
    assert lead.split()[1:] == ["admin", "*", "valid", "lead"]
    done = toxgrade("keys", "revoke", ward.split()[0], cwd=tmp_path)
    assert done.stdout == "revoked; running services follow within 5 seconds\n"
    assert " revoked " in toxgrade("keys", "list", cwd=tmp_path).stdout.splitlines()[0]
    again = toxgrade("keys", "revoke", ward.split()[0], cwd=tmp_path)
    assert (again.returncode, "no valid key" in again.stderr) == (2, True)
    lacks = toxgrade("keys", "create", "x", "--role", "reader", cwd=tmp_path)
    assert (lacks.returncode, "--study" in lacks.stderr) == (2, True)


def test_the_roles_of_keys_are_those_there_are(tmp_path: Path) -> None:
    """The parser names them itself: to load what knows them takes longer than to say so."""
    told = toxgrade("keys", "create", "--help", cwd=tmp_path).stdout
    assert f"{{{','.join(get_args(Role))}}}" in told

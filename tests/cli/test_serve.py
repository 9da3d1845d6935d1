"""``toxgrade serve`` and ``mllp`` refuse what they cannot serve before they make anything."""

import json
import socket
from pathlib import Path

import pytest

from tests.cli.program import toxgrade


@pytest.mark.parametrize("command", ["serve", "mllp"])
def test_a_code_of_the_site_that_stands_for_nothing_is_refused(
    tmp_path: Path, command: str
) -> None:
    codes = json.dumps({"BILI": "bilirubn"})
    done = toxgrade(command, cwd=tmp_path, TOXGRADE_HL7V2_CODES=codes)
    assert done.returncode == 2
    assert "TOXGRADE_HL7V2_CODES: BILI stands for bilirubn, which is no analyte" in done.stderr


@pytest.mark.parametrize("command", ["serve", "mllp"])
def test_a_port_that_is_taken_is_named_before_anything_is_made(
    tmp_path: Path, command: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = toxgrade(command, "--port", port, cwd=tmp_path, TOXGRADE_AUTH="off")
    says = f"toxgrade: cannot listen on 127.0.0.1 port {port}: Address already in use; --host and"
    assert (done.returncode, done.stderr[: len(says)]) == (2, says)
    assert list(tmp_path.iterdir()) == []

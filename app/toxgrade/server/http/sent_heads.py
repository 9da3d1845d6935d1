"""The audit's heads, sent where the database's administrator cannot change them."""

import logging
from collections.abc import Mapping
from logging.handlers import SysLogHandler
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from toxgrade.server.records.audit_verify import Head

_SECONDS = 10.0
SYSLOG_PORT = 514


def send(where: str, heads: Mapping[str, Head]) -> None:
    """Send each chain's name, number of entries and newest hash, as ``toxgrade audit head`` prints.

    ``where``: ``syslog://HOST[:PORT]`` (UDP), an ``https://`` address that takes a POST of text, or
    a file, to which lines are added that are not its last of their chain.

    Raises:
        OSError: they could not be sent.
    """
    lines = [f"{name} {seq} {newest}" for name, (seq, newest) in heads.items()]
    if where.startswith("syslog://"):
        _to_syslog(where, lines)
    elif where.startswith("https://"):
        _to_web(where, lines)
    else:
        _to_file(Path(where), lines)


def _to_file(path: Path, lines: list[str]) -> None:
    known = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    last = {line.partition(" ")[0]: line for line in known.splitlines()}
    new = [line for line in lines if last.get(line.partition(" ")[0]) != line]
    with path.open("a", encoding="utf-8") as file:
        if known and not known.endswith("\n"):  # A crash cut the last line.
            file.write("\n")
        file.writelines(f"{line}\n" for line in new)


def _to_syslog(where: str, lines: list[str]) -> None:
    address = urlsplit(where)
    handler = SysLogHandler((address.hostname or "", address.port or SYSLOG_PORT))
    try:
        for line in lines:
            text = f"toxgrade audit head: {line}"
            handler.handle(logging.LogRecord("toxgrade", logging.INFO, "", 0, text, None, None))
    finally:
        handler.close()


def _to_web(where: str, lines: list[str]) -> None:
    try:
        text = "".join(f"{line}\n" for line in lines)
        httpx.post(where, content=text.encode(), timeout=_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(type(error).__name__) from None

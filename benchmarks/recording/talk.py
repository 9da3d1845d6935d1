"""Sending the requests in their order, and writing down each answer."""

import re
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx

from benchmarks.recording.asked import Asked
from benchmarks.recording.normal import Normal
from benchmarks.recording.program import wait_until
from benchmarks.recording.shown import shown

INPUTS = Path(__file__).parent / "files"
_PASSED_OVER = {
    "date",  # the moment of the answer
    "content-length",  # of a body that is compared itself, times and all
    "last-modified",  # of a file of this run
}
_VARIABLE = re.compile(r"\{(\w+)\}")


class Talk:
    """A client of one service: remembers what answers gave, and writes answers into a folder.

    ``settled`` says whether no batch is under way."""

    def __init__(
        self, address: str, folder: Path, normal: Normal, settled: Callable[[], bool], **known: str
    ) -> None:
        self._client = httpx.Client(base_url=address, timeout=60)
        self._folder, self._normal, self._known = folder, normal, known
        self._settled = settled
        self.statuses: list[tuple[str, int]] = []

    def door(self, name: str, requests: Iterable[Asked]) -> None:
        """Send a door's requests; a file for each answer, numbered."""
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, asked in enumerate(requests):
            answer = self._answer(asked)
            self._remember(asked, answer)
            self.statuses.append((f"{name}: {asked.name}", answer.status_code))
            file = re.sub(r"[^\w.=-]+", "-", asked.name).strip("-")
            text = f"{asked.method} {asked.path}\n\n{_written(answer)}"
            (folder / f"{number:03}-{file}.txt").write_text(self._normal(text))

    def _answer(self, asked: Asked) -> httpx.Response:
        """Send it once, at its time: the audit counts every request that asks for a batch."""
        if asked.after_batches:
            wait_until(self._settled)
        try:
            return self._announce(asked) if asked.announced else self._send(asked)
        except httpx.TransportError as error:
            return httpx.Response(599, text=f"no answer: {type(error).__name__}")

    def _announce(self, asked: Asked) -> httpx.Response:
        """Send only the head of a request, with the length of a body that never comes."""
        url = self._client.base_url
        with closing(HTTPConnection(url.host, url.port or 80, timeout=60)) as connection:
            connection.putrequest(asked.method, asked.path)
            for name, text in {**asked.headers, "Content-Length": str(asked.announced)}.items():
                connection.putheader(name, text)
            connection.endheaders()
            answer = connection.getresponse()
            return httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())

    def _send(self, asked: Asked) -> httpx.Response:
        headers = {name: self._filled(text) for name, text in asked.headers.items()}
        given: dict[str, Any] = {"headers": headers}
        if asked.json is not None:
            given["json"] = asked.json
        elif asked.body_file is not None:
            given["content"] = (INPUTS / asked.body_file).read_bytes()
        elif asked.text is not None:
            given["content"] = asked.text
        if asked.form is not None:
            given["data"] = {name: self._filled(text) for name, text in asked.form.items()}
        if asked.files is not None:
            given["files"] = {
                field: (name, (INPUTS / name).read_bytes()) for field, name in asked.files.items()
            }
        return self._client.request(asked.method, self._filled(asked.path), **given)

    def _filled(self, text: str) -> str:
        return _VARIABLE.sub(lambda found: self._known.get(found[1], found[0]), text)

    def _remember(self, asked: Asked, answer: httpx.Response) -> None:
        for name, place in asked.keep.items():
            kind, _, path = place.partition(" ")
            if kind == "moment":
                self._known[name] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            elif kind == "header":
                self._known[name] = answer.headers.get(path, "")
            elif answer.is_success:
                self._known[name] = str(_at(answer.json(), path))


def _at(document: Any, path: str) -> Any:
    """Return what lies at ``grades.0.id``, or nothing where an answer has no such place."""
    for step in path.split("."):
        try:
            document = document[int(step)] if step.isdecimal() else document[step]
        except (KeyError, IndexError, TypeError):
            return ""
    return document


def _written(answer: httpx.Response) -> str:
    """Return status, headers and body as text."""
    headers = "".join(
        f"{name}: {text}\n"
        for name, text in answer.headers.multi_items()
        if name not in _PASSED_OVER
    )
    body = shown(answer.content, answer.headers.get("content-type", ""))
    return f"{answer.status_code}\n{headers}\n{body}\n"

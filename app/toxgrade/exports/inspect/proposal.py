"""A mapping as it is proposed: guesses, each with its evidence, and the file that holds them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from toxgrade.tabular.mapping_file import Document

Value = str | int | Sequence[str]
_PRINTED = 160


@dataclass(frozen=True, slots=True)
class Guess:
    """A key of a mapping file, its value, and why."""

    key: str
    value: Value
    evidence: str


@dataclass(frozen=True, slots=True)
class WideGuess:
    """An entry of ``[[wide]]``, and why."""

    entry: Mapping[str, str]
    evidence: str


@dataclass(slots=True)
class Proposal:
    """What would be declared. ``questions``: what is not guessed, as it could be either."""

    columns: list[Guess] = field(default_factory=list)
    wide: list[WideGuess] = field(default_factory=list)
    analytes: list[Guess] = field(default_factory=list)
    units: list[Guess] = field(default_factory=list)
    read: list[Guess] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    def toml(self, files: str) -> str:
        """Return the mapping file; ``files`` are named in its first line."""
        return "\n".join(self._lines(files)) + "\n"

    def document(self, files: str) -> Document:
        """Return the mapping file as reading takes it."""
        return "the proposed mapping", self.toml(files).encode()

    def _lines(self, files: str) -> Iterator[str]:
        yield f"# Proposed by toxgrade inspect for {_printed(files)}. Review each guess."
        for question in self.questions:
            yield f"# to decide: {_printed(question)}"
        if self.columns:
            yield from ("", "[columns]", *map(_line, self.columns))
        for one in self.wide:
            yield from ("", f"# guess: {_printed(one.evidence)}", "[[wide]]")
            yield from (f"{key} = {_toml(text)}" for key, text in one.entry.items())
        for table, guesses in (("analytes", self.analytes), ("units", self.units)):
            if guesses:
                yield from ("", f"[{table}]", *map(_quoted_line, guesses))
        if self.read:
            yield from ("", "[read]", *map(_line, self.read))


def _line(guess: Guess) -> str:
    return f"{guess.key} = {_toml(guess.value)}  # guess: {_printed(guess.evidence)}"


def _quoted_line(guess: Guess) -> str:
    return f"{_toml(guess.key)} = {_toml(guess.value)}  # guess: {_printed(guess.evidence)}"


def _toml(value: Value) -> str:
    """Return a value as TOML writes it; its strings are those of JSON, but for one character."""
    if isinstance(value, str | int):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return f"[{', '.join(map(_toml, value))}]"


def _printed(text: str) -> str:
    """Return a text for a comment, which ends with its line."""
    return "".join(one if one.isprintable() else " " for one in text)[:_PRINTED]

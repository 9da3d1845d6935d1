"""Which stored result a sent one belongs to: the rules of ``docs/identity.md``, for every door.

In doubt both results are kept and flagged: a doubled result raises no worst grade, a merged one can
lose it.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import Any

from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names
from toxgrade.server.records.identity import (
    Source,
    content,
    identity,
    minute,
    source_of,
)

_RANKS = {"preliminary": 0, "final": 1}
_CORRECTED = 2  # The rank of corrections and withdrawals.
WITHDRAWN = ("cancelled", "entered-in-error", "superseded")
_NEAR = timedelta(days=30)
"""How far apart the times of one result may lie: accession numbers come round again."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a result, numbered from 1 within its identity."""

    identity: str
    number: int
    result: LabResult


@dataclass(frozen=True, slots=True)
class Match:
    """Where a sent result belongs.

    ``version`` is to be appended; None: nothing is. ``ignored``: an older version was sent.
    """

    identity: str
    version: Version | None = None
    ignored: bool = False


class Matcher:
    """The results of one patient, stored and just sent, to which sent ones are matched in order.

    Every look-up is by an index, so that thousands of results under one number cost no more each.
    """

    def __init__(self, names: Names, versions: Iterable[Version] = ()) -> None:
        """Take the stored versions, those of one result in their order."""
        self._names = names
        self._versions: dict[str, list[Version]] = {}
        self._at: dict[tuple[Source, str | None], list[str]] = {}
        self._near: dict[tuple[Source, bool, int], list[str]] = {}
        self._replaced: dict[tuple[Source, tuple[str | None, ...]], str] = {}
        self._last: dict[Source, str] = {}
        for version in versions:
            self._add(version)

    def current(self) -> list[Version]:
        """Return the newest version of each result, in the order in which they were first met."""
        return [versions[-1] for versions in self._versions.values()]

    def match(self, result: LabResult, *, twin: bool = False) -> Match:
        """Return where a result belongs, and count it as stored from then on.

        ``twin``: its message gives another value under the same number and time, so that it is the
        same as a stored result only where the content is equal.
        """
        found = self._match(result, twin=twin)
        if found.version is not None:
            self._add(found.version)
        return found

    def _add(self, version: Version) -> None:
        source, known = self._source(version.result), self._versions.get(version.identity)
        if known:
            before = known[-1]
            for index, key in self._places(before):
                index[key].remove(version.identity)
            self._replaced[self._source(before.result), self._content(before.result)] = (
                version.identity
            )
        for index, key in self._places(version):
            index.setdefault(key, []).append(version.identity)
        self._last[source] = version.identity
        self._versions.setdefault(version.identity, []).append(version)

    def _places(self, version: Version) -> list[tuple[dict[Any, list[str]], Hashable]]:
        """Return the indexes that a current version is in, each with its key."""
        result, source = version.result, self._source(version.result)
        found: list[tuple[dict[Any, list[str]], Hashable]] = [(self._at, (source, minute(result)))]
        if result.status not in WITHDRAWN and result.collected:
            month = result.collected.first.toordinal() // _NEAR.days
            found.append((self._near, (source, result.status == "preliminary", month)))
        return found

    def _source(self, result: LabResult) -> Source:
        return source_of(result, self._names) or ("", identity(result, self._names))

    def _content(self, result: LabResult) -> tuple[str | None, ...]:
        return tuple(content(result, self._names))

    def _match(self, result: LabResult, *, twin: bool) -> Match:
        at = self._at.get((self._source(result), minute(result)), [])
        same_time = self._in_scope(result, at)
        for version in same_time:
            if self._content(version.result) == self._content(result):
                declared = result.is_baseline and not version.result.is_baseline
                return _next(version, result) if declared else Match(version.identity)
        if same_time and not twin:
            return self._newer(same_time[-1], result)
        found = None if twin else self._elsewhere(result)
        return found or self._own(result, twin=twin)

    def _in_scope(self, result: LabResult, identities: Iterable[str]) -> list[Version]:
        """Return the newest versions whose number has the same scope as the result's.

        Versions that were stored before scopes were kept have none and match every scope.
        """
        newest = [self._versions[one][-1] for one in identities]
        return [v for v in newest if _share_scope(result, v.result)]

    def _own(self, result: LabResult, *, twin: bool) -> Match:
        """Store it as a result of its own."""
        key = identity(result, self._names, twin=twin)
        if key in self._versions:  # The time of that one was corrected since.
            key = identity(result, self._names, twin=True)
        return Match(key, Version(key, len(self._versions.get(key, ())) + 1, result))

    def _newer(self, before: Version, result: LabResult) -> Match:
        """Supersede the version, unless what was sent is older than it."""
        stored = before.result
        later = bool(result.issued and stored.issued and result.issued > stored.issued)
        earlier = bool(result.issued and stored.issued and result.issued < stored.issued)
        replaced = self._replaced.get((self._source(result), self._content(result)))
        is_older = replaced == before.identity or _rank(result) < _rank(stored)
        if earlier or (not later and is_older):
            return Match(before.identity, ignored=True)
        return _next(before, result)

    def _elsewhere(self, result: LabResult) -> Match | None:
        """Match a result to one of another time; None: it is a result of its own."""
        source = self._source(result)
        if replaced := self._replaced.get((source, self._content(result))):
            return self._newer(self._versions[replaced][-1], result)
        if source in self._last and (result.source_scope or "").startswith(("http:", "https:")):
            for version in self._in_scope(result, [self._last[source]]):
                if result.issued and version.result.issued:  # A server's id names one resource.
                    return self._newer(version, result)
        if result.status == "final":
            near = self._nearby(source, result, (True,))
        elif _rank(result) == _CORRECTED:
            near = self._nearby(source, result, (True, False))
        else:
            return None
        return _next(near[0], result) if len(near) == 1 else None

    def _nearby(
        self, source: Source, result: LabResult, preliminary: Sequence[bool]
    ) -> list[Version]:
        """Return the active results of the same number within 30 days: none, one or two of them."""
        found: list[Version] = []
        if result.collected is None:
            return found
        day = result.collected.first
        for wanted, step in product(preliminary, (-1, 0, 1)):
            month = day.toordinal() // _NEAR.days + step
            for one in self._near.get((source, wanted, month), ()):
                version = self._versions[one][-1]
                other = version.result.collected
                if other and abs(other.first - day) <= _NEAR:
                    found += self._in_scope(result, [one])
                if len(found) == 2:
                    return found
        return found


def _next(before: Version, result: LabResult) -> Match:
    return Match(before.identity, Version(before.identity, before.number + 1, result))


def _share_scope(one: LabResult, other: LabResult) -> bool:
    return one.source_scope == other.source_scope or None in (one.source_scope, other.source_scope)


def _rank(result: LabResult) -> int:
    return _RANKS.get(result.status, _CORRECTED)

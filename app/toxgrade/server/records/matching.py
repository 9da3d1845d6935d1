"""Which stored result a sent one belongs to: the rules of ``docs/identity.md``, for every door.

In doubt both results are kept and flagged: a doubled result raises no worst grade, a merged one can
lose it.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice, product
from typing import Any

from msgspec.structs import replace

from toxgrade.grading.result import LabResult
from toxgrade.grading.units import Names
from toxgrade.server.records.identity import (
    Source,
    content,
    identity,
    minute,
    source_of,
    value_and_unit,
)

_RANKS = {"preliminary": 0, "final": 1}
_CORRECTED = 2  # The rank of corrections and withdrawals.
WITHDRAWN = ("cancelled", "entered-in-error", "superseded")
_NEAR = timedelta(days=30)
"""How far apart the times of one result may lie: accession numbers come round again."""

_Key = tuple[Source, str | None]
"""A number and its scope; None is the scope of what version 0.1 stored, and matches every scope."""
_Content = tuple[str | None, ...]


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
        self._equal: dict[tuple[_Key, _Content], str] = {}
        self._at: dict[tuple[_Key, str | None], dict[str, None]] = {}
        self._near: dict[tuple[_Key, bool, int], dict[str, None]] = {}
        self._replaced: dict[tuple[_Key, _Content], str] = {}
        self._active: dict[_Key, dict[str, None]] = {}
        self._last: dict[_Key, str] = {}
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
        known = self._versions.setdefault(version.identity, [])
        if known:
            before = known[-1].result
            for index, where in self._places(before):
                index[where].pop(version.identity, None)
            place = self._keys(before)[0], self._content(before)
            self._equal.pop(place, None)
            self._replaced[place] = version.identity
        key = self._keys(version.result)[0]
        for index, where in self._places(version.result):
            index.setdefault(where, {})[version.identity] = None
        self._equal[key, self._content(version.result)] = version.identity
        self._last[key] = version.identity
        known.append(version)

    def _places(self, result: LabResult) -> list[tuple[dict[Any, dict[str, None]], Hashable]]:
        """Return the indexes that a current result is in, each with its key."""
        key = self._keys(result)[0]
        found: list[tuple[dict[Any, dict[str, None]], Hashable]] = [
            (self._at, (key, minute(result)))
        ]
        if result.status in WITHDRAWN:
            return found
        found.append((self._active, key))
        if result.collected:
            month = result.collected.first.toordinal() // _NEAR.days
            found.append((self._near, (key, result.status == "preliminary", month)))
        return found

    def _keys(self, result: LabResult) -> list[_Key]:
        """Return the key of a result, then that which version 0.1, without scopes, gave it."""
        source = source_of(result, self._names)
        if source is None:
            return [(("", identity(result, self._names)), None)]
        scopes = dict.fromkeys((result.source_scope, None))
        return [(source, scope) for scope in scopes]

    def _content(self, result: LabResult) -> _Content:
        return tuple(content(result, self._names))

    def _match(self, result: LabResult, *, twin: bool) -> Match:
        keys = self._keys(result)
        if result.collected is None and result.status in WITHDRAWN:
            result = self._dated(keys, result)
        own = self._content(result)
        for key in keys:
            if equal := self._equal.get((key, own)):
                version = self._versions[equal][-1]
                declared = result.is_baseline and not version.result.is_baseline
                return _next(version, result) if declared else Match(equal)
        found = self._replay(keys, own, result)
        if not twin:
            found = found or self._same_time(keys, result) or self._elsewhere(keys, result)
        return found or self._own(result, twin=twin)

    def _dated(self, keys: list[_Key], result: LabResult) -> LabResult:
        """Return a withdrawal with the time of the only active result that its number can mean.

        Where none is active, it may be that of the last one, which was withdrawn before.
        """
        active = [*islice((one for key in keys for one in self._active.get(key, ())), 2)]
        last = [self._last[key] for key in keys if key in self._last][:1]
        if len(found := active or last) != 1:
            return result
        collected = self._versions[found[0]][-1].result.collected
        return replace(result, collected=collected)

    def _replay(self, keys: list[_Key], own: _Content, result: LabResult) -> Match | None:
        """Match what was superseded before; None: it never was."""
        replaced = [self._replaced[key, own] for key in keys if (key, own) in self._replaced]
        return self._newer(self._versions[replaced[0]][-1], result, True) if replaced else None

    def _same_time(self, keys: list[_Key], result: LabResult) -> Match | None:
        """Match a result to that of its time; None: there is none, or it is not known which.

        Of several, only the one that is not withdrawn or the one of the same value can be meant.
        """
        at = [one for key in keys for one in self._at.get((key, minute(result)), ())]
        found = [self._versions[one][-1] for one in at]
        if len(found) > 1:
            found = [v for v in found if v.result.status not in WITHDRAWN]
        if len(found) > 1:
            value = value_and_unit(result, self._names)
            found = [v for v in found if value_and_unit(v.result, self._names) == value]
        return self._newer(found[0], result) if len(found) == 1 else None

    def _own(self, result: LabResult, *, twin: bool) -> Match:
        """Store it as a result of its own."""
        key = identity(result, self._names, twin=twin)
        if key in self._versions:  # The time of that one was corrected since.
            key = identity(result, self._names, twin=True)
        return Match(key, Version(key, len(self._versions.get(key, ())) + 1, result))

    def _newer(self, before: Version, result: LabResult, is_replay: bool = False) -> Match:
        """Supersede the version, unless what was sent is older than it."""
        stored = before.result
        later = bool(result.issued and stored.issued and result.issued > stored.issued)
        earlier = bool(result.issued and stored.issued and result.issued < stored.issued)
        if earlier or (not later and (is_replay or _rank(result) < _rank(stored))):
            return Match(before.identity, ignored=True)
        return _next(before, result)

    def _elsewhere(self, keys: list[_Key], result: LabResult) -> Match | None:
        """Match a result to one of another time; None: it is a result of its own."""
        last = self._last.get(keys[0])
        if last and (result.source_scope or "").startswith(("http:", "https:")):
            version = self._versions[last][-1]
            if result.issued and version.result.issued:  # A server's id names one resource.
                return self._newer(version, result)
        if result.status == "final":
            near = self._nearby(keys, result, (True,))
        elif _rank(result) == _CORRECTED:
            near = self._nearby(keys, result, (True, False))
        else:
            return None
        return _next(near[0], result) if len(near) == 1 else None

    def _nearby(
        self, keys: list[_Key], result: LabResult, preliminary: Sequence[bool]
    ) -> list[Version]:
        """Return the active results of the same number within 30 days: none, one or two of them."""
        found: list[Version] = []
        if result.collected is None:
            return found
        day = result.collected.first
        for key, wanted, step in product(keys, preliminary, (-1, 0, 1)):
            month = day.toordinal() // _NEAR.days + step
            for one in self._near.get((key, wanted, month), ()):
                version = self._versions[one][-1]
                other = version.result.collected
                if other and abs(other.first - day) <= _NEAR:
                    found.append(version)
                if len(found) == 2:
                    return found
        return found


def _next(before: Version, result: LabResult) -> Match:
    return Match(before.identity, Version(before.identity, before.number + 1, result))


def _rank(result: LabResult) -> int:
    return _RANKS.get(result.status, _CORRECTED)

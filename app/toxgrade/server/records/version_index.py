"""The versions of one patient's results, found by number, scope, time and content."""

from collections.abc import Hashable, Iterable, Iterator
from datetime import timedelta
from itertools import islice, product

from toxgrade.grading.result import WITHDRAWN, LabResult
from toxgrade.grading.units import Names
from toxgrade.server.records.identity import (
    OWN_NUMBER,
    Source,
    content,
    identity,
    minute,
    source_of,
    split_scope,
)
from toxgrade.server.records.stored_results import Version

_NEAR = timedelta(days=30)
"""How far apart the times of one result may lie: accession numbers come round again."""

_ANY = f"{OWN_NUMBER}*"
Key = tuple[Source, str | None]
"""A number and its scope; None is the scope of what version 0.1 stored, and matches every scope."""


class VersionIndex:
    """Versions by what they are looked up by, so that thousands under one number cost no more each.

    Results whose own numbers (OBX-21) differ are two; one without an own number may be any.
    """

    def __init__(self, names: Names) -> None:
        self._names = names
        self._versions: dict[str, list[Version]] = {}
        self._current: dict[Hashable, dict[str, None]] = {}
        self._replaced: dict[tuple[Key, tuple[str | None, ...]], str] = {}
        self._last: dict[Key, str] = {}

    def __contains__(self, one: str) -> bool:
        return one in self._versions

    def newest(self, one: str) -> Version:
        """Return the newest version of the result of this identity."""
        return self._versions[one][-1]

    def current(self) -> list[Version]:
        """Return the newest version of each result, in the order in which they were first met."""
        return [versions[-1] for versions in self._versions.values()]

    def add(self, version: Version) -> None:
        """Add a version, which replaces the one before it."""
        known = self._versions.setdefault(version.identity, [])
        if known:
            before = known[-1].result
            for place in self._places(before):
                self._current[place].pop(version.identity, None)
            for key in self._filed(before):
                self._replaced[key, self._content(before)] = version.identity
        for place in self._places(version.result):
            self._current.setdefault(place, {})[version.identity] = None
        for key in self._filed(version.result):
            self._last[key] = version.identity
        known.append(version)

    def keys(self, result: LabResult) -> list[Key]:
        """Return the keys under which there is anything that a sent result may be."""
        source = source_of(result, self._names)
        if source is None:
            keys: list[Key] = [(("", identity(result, self._names)), None)]
        else:
            base, own = split_scope(result.source_scope)
            other = base if own else f"{base}{_ANY}"
            scopes = dict.fromkeys((result.source_scope, other, None))
            keys = [(source, scope) for scope in scopes]
        return [key for key in keys if key in self._last]

    def equal(self, keys: Iterable[Key], result: LabResult) -> Iterator[Version]:
        """Return the current versions of this very content."""
        return self._found(("equal", key, self._content(result)) for key in keys)

    def replaced(self, keys: Iterable[Key], result: LabResult) -> Iterator[Version]:
        """Return the newest versions of results of which this was the content before."""
        places = ((key, self._content(result)) for key in keys)
        return (self.newest(self._replaced[at]) for at in places if at in self._replaced)

    def at_its_time(self, keys: Iterable[Key], result: LabResult) -> Iterator[Version]:
        """Return the current versions of its minute, whatever the offset from UTC is."""
        return self._found(("at", key, minute(result)) for key in keys)

    def active(self, keys: Iterable[Key]) -> list[Version]:
        """Return the results that are not withdrawn: none, one or two of them."""
        return [*islice(self._found(("active", key) for key in keys), 2)]

    def last(self, keys: Iterable[Key]) -> Version | None:
        """Return the result that was added last; None: there is none."""
        return next((self.newest(self._last[key]) for key in keys), None)

    def near(
        self, keys: Iterable[Key], result: LabResult, preliminary: Iterable[bool]
    ) -> Iterator[Version]:
        """Return the active results within 30 days."""
        if result.collected is None:
            return iter(())
        day = result.collected.first
        month = day.toordinal() // _NEAR.days
        months = (month - 1, month, month + 1)
        found = self._found(("near", *place) for place in product(keys, preliminary, months))
        times = ((version, version.result.collected) for version in found)
        return (v for v, at in times if at and abs(at.first - day) <= _NEAR)

    def _found(self, places: Iterable[Hashable]) -> Iterator[Version]:
        """Return the current versions that are in these places."""
        return (self.newest(one) for place in places for one in self._current.get(place, ()))

    def _filed(self, result: LabResult) -> list[Key]:
        """Return the keys under which a result is found: by its own number, and by any."""
        source = source_of(result, self._names)
        if source is None:
            return [(("", identity(result, self._names)), None)]
        base, own = split_scope(result.source_scope)
        scopes = (result.source_scope, f"{base}{_ANY}") if own else (result.source_scope,)
        return [(source, scope) for scope in scopes]

    def _places(self, result: LabResult) -> Iterator[Hashable]:
        """Yield what a current result is looked up by."""
        for key in self._filed(result):
            yield "equal", key, self._content(result)
            yield "at", key, minute(result)
            if result.status not in WITHDRAWN:
                yield "active", key
                if result.collected:
                    month = result.collected.first.toordinal() // _NEAR.days
                    yield "near", key, result.status == "preliminary", month

    def _content(self, result: LabResult) -> tuple[str | None, ...]:
        return tuple(content(result, self._names))

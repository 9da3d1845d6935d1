"""Which stored result a sent one belongs to: the rules of ``docs/identity.md``, for every door.

In doubt both results are kept and flagged: a doubled result raises no worst grade, a merged one can
lose it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeVar

from msgspec.structs import replace

from toxgrade.grading.result import WITHDRAWN, LabResult
from toxgrade.grading.units import Names
from toxgrade.server.records.identity import identity, may_be_one, value_and_unit
from toxgrade.server.records.stored_results import Version
from toxgrade.server.records.version_index import Key, VersionIndex

_RANKS = {"preliminary": 0, "final": 1}
_CORRECTED = 2  # The rank of corrections and withdrawals.
_T = TypeVar("_T", int, datetime)


@dataclass(frozen=True, slots=True)
class Match:
    """Where a sent result belongs.

    ``version`` is to be appended; None: nothing is. ``ignored``: an older version was sent.
    """

    identity: str
    version: Version | None = None
    ignored: bool = False


class Matcher:
    """The results of one patient, stored and just sent, to which sent ones are matched in order."""

    def __init__(self, names: Names, versions: Iterable[Version] = ()) -> None:
        """Take the stored versions, those of one result in their order."""
        self._names = names
        self._known = VersionIndex(names)
        self._sent: dict[str, LabResult] = {}
        for version in versions:
            self._known.add(version)

    def current(self) -> list[Version]:
        """Return the newest version of each result, in the order in which they were first met."""
        return self._known.current()

    def match(self, result: LabResult, *, twin: bool = False) -> Match:
        """Return where the only result of a message belongs, as ``match_all`` does."""
        return self.match_all([(result, twin)])[0]

    def match_all(self, sent: Sequence[tuple[LabResult, bool]]) -> list[Match]:
        """Return where the results of one message belong, and count them as stored from then on.

        Their order does not matter: what is stored of the same time goes before what is of another
        time, no result of a message supersedes another of it, and what two of them may supersede
        stays. With each comes whether it is one of two values under one number and time; such a
        one is the same as a stored result only where the content is equal.
        """
        self._sent = {}
        keys = [self._known.keys(result) for result, _ in sent]
        results = [self._dated(known, one) for known, (one, _) in zip(keys, sent, strict=True)]
        found: dict[int, Match] = {}

        def rest(*, with_twins: bool = True) -> list[int]:
            return [i for i, (_, t) in enumerate(sent) if i not in found and (with_twins or not t)]

        for known in (self._equal, self._replay):
            for i in rest():
                if match := known(keys[i], results[i]):
                    found[i] = self._count(match, results[i])
        for other in (self._same_time, self._elsewhere):
            meant = {
                i: v
                for i in rest(with_twins=False)
                if (v := other(keys[i], results[i])) is not None
            }
            wanted = Counter(version.identity for version in meant.values())
            for i, version in meant.items():
                if wanted[version.identity] == 1:
                    found[i] = self._count(self._newer(version, results[i]), results[i])
        for i in rest():
            found[i] = self._count(self._own(results[i], twin=sent[i][1]), results[i])
        return [found[i] for i in range(len(sent))]

    def _count(self, match: Match, result: LabResult) -> Match:
        if match.version is not None:
            self._known.add(match.version)
        self._sent[match.identity] = result
        return match

    def _dated(self, keys: Sequence[Key], result: LabResult) -> LabResult:
        """Return a withdrawal with the time of the only active result that its number can mean.

        Where none is active, it may be that of the last one, which was withdrawn before. Any other
        result is returned as it is.
        """
        if result.collected is not None or result.status not in WITHDRAWN:
            return result
        found, last = self._known.active(keys), self._known.last(keys)
        if not found and last:
            found = [last]
        if len(found) != 1:
            return result
        return replace(result, collected=found[0].result.collected)

    def _equal(self, keys: Sequence[Key], result: LabResult) -> Match | None:
        """Match what is current with the same content; None: nothing is."""
        equal = (v for v in self._known.equal(keys, result) if self._may_be(v, result))
        version = next(equal, None)
        if version is None:
            return None
        declared = result.is_baseline and not version.result.is_baseline
        return _next(version, result) if declared else Match(version.identity)

    def _replay(self, keys: Sequence[Key], result: LabResult) -> Match | None:
        """Match what was superseded before; None: it never was."""
        version = next(self._known.replaced(keys, result), None)
        return self._newer(version, result, is_replay=True) if version else None

    def _same_time(self, keys: Sequence[Key], result: LabResult) -> Version | None:
        """Return the version of its time; None: there is none, or it is not known which.

        Of several, only the one that is not withdrawn or the one of the same value can be meant.
        """
        found = [v for v in self._known.at_its_time(keys, result) if self._may_be(v, result)]
        if len(found) > 1:
            found = [v for v in found if v.result.status not in WITHDRAWN]
        if len(found) > 1:
            value = value_and_unit(result, self._names)
            found = [v for v in found if value_and_unit(v.result, self._names) == value]
        return found[0] if len(found) == 1 else None

    def _may_be(self, version: Version, result: LabResult) -> bool:
        """Return whether it may be this result, and what was just sent as that one, too."""
        sent = self._sent.get(version.identity, result)
        return may_be_one(version.result, result) and may_be_one(sent, result)

    def _own(self, result: LabResult, *, twin: bool) -> Match:
        """Store it as a result of its own."""
        key = identity(result, self._names, twin=twin)
        if key in self._known:  # The time of that one was corrected since.
            key = identity(result, self._names, twin=True)
        number = self._known.newest(key).number + 1 if key in self._known else 1
        return Match(key, Version(key, number, result))

    def _newer(self, before: Version, result: LabResult, *, is_replay: bool = False) -> Match:
        """Supersede the version, unless what was sent is older than it."""
        order = issue_order(result, before.result) or 0
        if order < 0 or (order == 0 and (is_replay or _rank(result) < _rank(before.result))):
            return Match(before.identity, ignored=True)
        return _next(before, result)

    def _elsewhere(self, keys: Sequence[Key], result: LabResult) -> Version | None:
        """Return the version of another time that a result supersedes; None: it is its own."""
        is_corrected = _rank(result) == _CORRECTED
        last = self._known.last(keys)
        is_of_server = (result.source_scope or "").startswith(("http:", "https:"))
        if last and is_of_server and issue_order(result, last.result) is not None:
            return last  # A server's id names one resource.
        if not is_corrected and result.status != "final":
            return None
        near = self._known.near(keys, result, (True, False) if is_corrected else (True,))
        found = [*islice((v for v in near if self._may_supersede(v, result)), 2)]
        return found[0] if len(found) == 1 else None

    def _may_supersede(self, version: Version, result: LabResult) -> bool:
        """Return whether a version can be what a result of another time corrects or completes.

        It cannot if the message speaks of it, too, or if it was issued later.
        """
        return (
            version.identity not in self._sent and (issue_order(result, version.result) or 0) >= 0
        )


def _next(before: Version, result: LabResult) -> Match:
    return Match(before.identity, Version(before.identity, before.number + 1, result))


def _rank(result: LabResult) -> int:
    return _RANKS.get(result.status, _CORRECTED)


def issue_order(one: LabResult, other: LabResult) -> int | None:
    """Return whether one was issued later (1), earlier (-1) or with the other (0); None: unknown.

    The numbers that a server gave its versions go before the times.
    """
    orders = (
        _compared(one.server_version, other.server_version),
        _compared(one.issued, other.issued),
    )
    known = [order for order in orders if order is not None]
    return next((order for order in known if order), 0 if known else None)


def _compared(one: _T | None, other: _T | None) -> int | None:
    return None if one is None or other is None else (one > other) - (one < other)

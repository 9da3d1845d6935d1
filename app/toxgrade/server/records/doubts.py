"""What is doubtful in a result beside all that is stored of its patient: doubles, odd dates."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime

from msgspec.structs import replace

from toxgrade.grading.flags import STORED_FLAGS, Flag
from toxgrade.grading.impossible_dates import is_after_death, is_future
from toxgrade.grading.result import WITHDRAWN, Course, LabResult
from toxgrade.grading.units import Names
from toxgrade.server.records.identity import (
    Source,
    content,
    identity,
    minute,
    one_time,
    source_of,
    split_scope,
    utc_offset,
    value_and_unit,
)
from toxgrade.server.records.stored_results import Version

_CHANGES = ("corrected", "amended", *WITHDRAWN)  # They speak of a result that was sent before.


def twins(results: Sequence[LabResult], names: Names) -> list[tuple[LabResult, bool]]:
    """Return the results of one message with whether each is one of two values of one time.

    Of several contents under one number and time the correction or withdrawal holds if there is
    exactly one, and else the only final one among preliminary ones.
    """
    found = []
    for of_one in one_time(results, names):
        contents = {tuple(content(result, names)): result for result in reversed(of_one)}
        group = [*reversed(contents.values())]
        changed = [one for one in group if one.status not in ("preliminary", "final")]
        final = [one for one in group if one.status == "final"]
        kept = changed if len(changed) == 1 else final if len(final) == 1 and not changed else group
        found += [(one, len(kept) > 1) for one in kept]
    return found


def flag_request(results: Sequence[LabResult], names: Names) -> list[LabResult]:
    """Return the results of a request that stores nothing, with the flags they have in it."""
    keys = [identity(result, names, twin=True) for result in results]
    unique = {key: Version(key, 2, result) for key, result in zip(keys, results, strict=True)}
    flagged = dict(zip(unique, flag_doubts([*unique.values()], names), strict=True))
    return [replace(r, flags=flagged[key].flags) for key, r in zip(keys, results, strict=True)]


def flag_doubts(versions: Sequence[Version], names: Names) -> list[LabResult]:
    """Return the results of current versions, each with the flags of ``STORED_FLAGS`` it has."""
    flags: list[set[Flag]] = [set() for _ in versions]
    groups: dict[Source, list[int]] = {}
    for i, version in enumerate(versions):
        if version.number == 1 and version.result.status in _CHANGES:
            flags[i].add(Flag.CORRECTION_UNMATCHED)
        source = source_of(version.result, names)
        if source is not None:
            groups.setdefault(source, []).append(i)
    for group in groups.values():
        active = [i for i in group if versions[i].result.status not in WITHDRAWN]
        for flag, several in _doubtful({i: versions[i].result for i in active}, names):
            for i in several:
                flags[i].add(flag)
    return [
        replace(v.result, flags=tuple(flag for flag in STORED_FLAGS if flag in found))
        if found
        else v.result
        for v, found in zip(versions, flags, strict=True)
    ]


def flag_dates(
    results: Sequence[LabResult],
    stored: Sequence[datetime],
    courses: Sequence[Course],
    died: date | None,
) -> list[LabResult]:
    """Return a patient's results, those flagged whose dates cannot be or are unlikely.

    ``stored``: when each was stored. ``died`` None: alive, or not known.
    """
    found = []
    for result, at in zip(results, stored, strict=True):
        flags = [Flag.AFTER_DEATH] if is_after_death(result, died) else []
        if is_future(result.collected, at.astimezone(UTC).date(), courses):
            flags.append(Flag.UNLIKELY_DATE)
        found.append(replace(result, flags=(*result.flags, *flags)) if flags else result)
    return found


def _doubtful(
    results: Mapping[int, LabResult], names: Names
) -> Iterator[tuple[Flag, Sequence[int]]]:
    """Yield which active results of one number may be one: of one time, value or day."""
    if len(results) < 2:
        return
    scopes = {result.source_scope for result in results.values()}
    own = all(split_scope(scope)[1] for scope in scopes)
    aware = None not in {utc_offset(result) for result in results.values()}
    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for i, result in results.items():
        scope = result.source_scope if own else split_scope(result.source_scope)[0]
        scope = "" if None in scopes else scope
        day = result.collected.first if result.collected else None
        for key in (
            ("time", (minute(result), utc_offset(result) if aware else None)),
            ("value", value_and_unit(result, names)),
            ("day", day),
        ):
            groups.setdefault((scope, *key), []).append(i)
    for (_, kind, *_), several in groups.items():
        if len(several) < 2:
            continue
        times = [collected.time for i in several if (collected := results[i].collected)]
        if kind == "time":
            yield Flag.TWO_VALUES_ONE_TIME, several
        elif kind == "value" or (None in times and any(times)):
            yield Flag.POSSIBLE_DUPLICATE, several

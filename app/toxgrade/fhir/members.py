"""Which reports and panels name a result, and which withdrawn ones take it along."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from toxgrade.fhir.elements import Note, objects, text_of
from toxgrade.fhir.references import Entry

WITHDRAWN = ("entered-in-error", "cancelled")
"""Statuses of a report that take the results in it with them."""
MEMBERS = {"DiagnosticReport": "result", "Observation": "hasMember"}
"""The element in which a resource names its results."""

Group = tuple[str | None, str]
_NOWHERE = ""  # Stands for the server of what has no address: it may be any in the Bundle.


class Named:
    """The Observations of a Bundle in groups that a reference means together.

    Thousands may have one id, and thousands of references name it: what is said of them is said
    of groups, of which each result is in three at most.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._servers = {entry.base for entry in entries}
        self._places: dict[Group, list[str]] = defaultdict(list)
        self._groups: dict[str, list[Group]] = {}
        for entry in entries:
            if entry.kind == "Observation":
                self._groups[entry.place] = groups = [*dict.fromkeys(_groups(entry))]
                for group in groups:
                    self._places[group].append(entry.place)

    def by(self, entry: Entry, reference: str) -> list[Group]:
        """Return the groups that a reference in an entry means; none where nothing is there."""
        server, name = entry.address(reference)
        wanted = [(server, name)]
        if server is not None and server in self._servers:
            wanted.append((_NOWHERE, name))
        return [group for group in wanted if group in self._places]

    def places(self, group: Group) -> list[str]:
        """Return the places of a group's Observations."""
        return self._places[group]

    def groups(self, place: str) -> list[Group]:
        """Return the groups that the resource at a place is in."""
        return self._groups.get(place, [])


def _groups(entry: Entry) -> Iterator[Group]:
    """Yield what an Observation is named by: its address or URN, its id, its id on any server."""
    if entry.full_url:
        yield entry.address(entry.full_url)
    if entry.name:
        yield None, entry.name
        if entry.base is None:
            yield _NOWHERE, entry.name


def withdrawn_results(entries: Sequence[Entry], notes: list[Note]) -> dict[str, tuple[str, str]]:
    """Return, by a resource's place, status and place of what takes it along when it is withdrawn.

    That is a report, a panel or the document. A result stands if another report that is valid names
    it too. Results that a report names but the Bundle lacks are told.
    """
    for entry in entries:
        status = entry.resource.get("status")
        if entry.kind == "Composition" and status in WITHDRAWN:
            return {each.place: (str(status), entry.place) for each in entries}
    known = Named(entries)
    withdrawn: dict[Group, tuple[str, str]] = {}
    valid: set[Group] = set()
    for entry in (entry for entry in entries if entry.kind in MEMBERS):
        status, key = entry.resource.get("status"), MEMBERS[entry.kind]
        for i, member in enumerate(objects(entry.resource.get(key))):
            reference = text_of(member.get("reference"))
            if reference is None or reference.startswith("#"):
                continue
            named = known.by(entry, reference)
            if status not in WITHDRAWN:
                valid.update(named)
            elif isinstance(status, str):
                for group in named:
                    withdrawn.pop(group, None)  # What comes last is told.
                    withdrawn[group] = status, entry.place
            if not named and status not in WITHDRAWN and key == "result":
                text = "the Bundle does not hold this result: it is not graded"
                notes.append(Note(f"{entry.place}.{key}[{i}]", "result-not-sent", text))
    standing = {place for group in valid for place in known.places(group)}
    found = {place: why for group, why in withdrawn.items() for place in known.places(group)}
    return {place: why for place, why in found.items() if place not in standing}

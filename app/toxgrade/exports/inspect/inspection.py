"""What was found in files before they are graded: typed, for the command line and over HTTP."""

import msgspec


class FoundText(msgspec.Struct, frozen=True):
    """A text that occurs ``cells`` times; ``means``: ours; ``note``: what is known of it else."""

    text: str
    cells: int
    means: str | None = None
    note: str = ""


class FoundColumn(msgspec.Struct, frozen=True):
    """A column of a file: how many cells of the sample are filled, and how many texts differ.

    ``seems``: what it seems to be, of our columns, or ``sex``, ``birth``, ``result`` (of a wide
    export); None: nothing that is known. ``evidence``: why.
    """

    name: str
    filled: int
    different: int
    seems: str | None = None
    evidence: str = ""


class FoundFile(msgspec.Struct, frozen=True):
    """A file: how it was read; ``rows`` of it, of which ``sampled`` were looked at.

    ``parts``: the sheets of a workbook or the members of a library.
    """

    name: str
    read_as: str
    layout: str | None
    header_row: int
    rows: int
    sampled: int
    parts: list[str]
    columns: list[FoundColumn]


class Undecided(msgspec.Struct, frozen=True):
    """Gradings of the sample that have no grade, for one reason, and what would mend them."""

    reason: str
    gradings: int
    mend: str


class Inspection(msgspec.Struct, frozen=True):
    """What was found in files that are one export, and what grading a sample of them gives.

    ``mapping``: a mapping file that would grade them. ``questions``: what is not guessed.
    ``graded_rows`` of the sample were graded. ``cleaned``, ``unreadable``: looks with counts.
    ``preview``: the first graded rows. Where it cannot be graded, ``refused`` says why, and there
    are no gradings.
    """

    files: list[FoundFile]
    tests: list[FoundText]
    units: list[FoundText]
    specimens: list[FoundText]
    ranges: list[FoundText]
    flags: list[FoundText]
    dates: list[FoundText]
    comparators: list[FoundText]
    questions: list[str]
    mapping: str
    graded_rows: int = 0
    gradings: int = 0
    decided: int = 0
    undecided: list[Undecided] = []
    cleaned: dict[str, int] = {}
    unreadable: dict[str, dict[str, int]] = {}
    preview: list[dict[str, str | None]] = []
    refused: str | None = None

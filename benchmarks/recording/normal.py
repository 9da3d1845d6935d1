"""What legitimately differs from one recording to the next, as placeholders: nothing else."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_YEAR = r"20(?:2[6-9]|[3-9]\d)"  # every date of the inputs is older than that

_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.M), placeholder)
    for pattern, placeholder in (
        # When something was stored or answered, as ISO 8601 and as SQLite has it.
        (rf"\b{_YEAR}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?", "<moment>"),
        # The same on a validation report's page, and in its file's name.
        (rf"\b{_YEAR}-\d\d-\d\dT\d{{6}}\b", "<moment>"),
        # The same in an HL7 v2 acknowledgement, whose control id is random.
        (rf"\|{_YEAR}\d{{10}}\+0000\|", "|<moment>|"),
        (r"(\|ACK(?:\^\w+)*\|)[0-9a-f]{20}\|", r"\1<control id>|"),
        # Ids that are drawn: of requests, batches, files of batches; UUIDs but our own.
        (r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", "<id>"),
        (r"\b(?!0{8}-)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uuid>"),
        # The audit's chain: its hashes are of entries with the time and the request's id.
        (r'("(?:hash|rows_sha256)": ?")[0-9a-f]{64}"', r'\1<hash>"'),
        (r"^(\w+ \d+ )[0-9a-f]{64}$", r"\1<hash>"),
        (r"(<td><code>)[0-9a-f]{12}(</code></td></tr>)$", r"\1<hash>\2"),
        # Of what is erased the audit keeps hashes, by the number of the row; rows hold times.
        (r'("\d+": ?")[0-9a-f]{64}"', r'\1<hash>"'),
        # When a browser is to forget a cookie: now.
        (rf"\bexpires=\w+, \d\d \w+ {_YEAR} [\d:]+ GMT", "expires=<moment>"),
        # Prefixes of keys are drawn, as the audit and `keys list` name them; so are whole keys.
        (r'("key:)[0-9a-f]{8} ', r"\1<prefix> "),
        (r"^[0-9a-f]{8}(?=  (?:admin|manager|writer|reader) )", "<prefix>"),
        (r"\btox_[\w-]+", "<key>"),
    )
)


@dataclass(frozen=True, slots=True)
class Normal:
    """Puts placeholders in place of texts known to be this run's, then of the patterns above."""

    texts: Mapping[str, str]

    def __call__(self, text: str) -> str:
        for own, placeholder in self.texts.items():
            text = text.replace(own, placeholder)
        for pattern, placeholder in _PATTERNS:
            text = pattern.sub(placeholder, text)
        return text

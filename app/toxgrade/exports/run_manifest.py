"""What a run declared, read back from the manifest beside the file that it wrote."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from toxgrade.grading.rules import Rules
from toxgrade.tabular.read_options import ReadOptions


@dataclass(frozen=True, slots=True)
class Declared:
    """The rules that an export was graded by, and how it was read."""

    rules: Rules
    options: ReadOptions


def read_manifest(output: Path, sha256: str) -> Declared | None:
    """Return what ``OUT.manifest.json`` says of ``output``, whose SHA-256 is ``sha256``.

    None: there is no manifest, or it is of another file or version. How the input was packed
    (format, encoding, delimiter, sheet) is left out: the output is packed in a way of its own.
    """
    try:
        content = output.with_name(f"{output.name}.manifest.json").read_text("utf-8")
        document = json.loads(content)
        if document["outputs"][output.name] != sha256:
            return None
        options = msgspec.convert(document["reading"], ReadOptions)
        rules = Rules.from_document(document["rules"])
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return None
    return Declared(rules, replace(options, kind=None, encoding=None, delimiter=None, sheet=None))

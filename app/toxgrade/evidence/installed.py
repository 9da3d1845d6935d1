"""The software as it is installed: versions, and the hash of every file that decides a grade."""

import hashlib
import platform
import re
from collections.abc import Iterator
from importlib.metadata import requires, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from toxgrade import __version__


def installed() -> dict[str, Any]:
    """Versions of this software, Python and each direct dependency; SHA-256 of our files."""
    return {
        "toxgrade": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "dependencies": {name: version(name) for name in _dependencies()},
        "sha256": {
            name: hashlib.sha256(file.read_bytes()).hexdigest()
            for name, file in sorted(_files(files("toxgrade"), "toxgrade"))
        },
    }


def _dependencies() -> list[str]:
    """What the distribution asks for at run time."""
    asked = [line for line in requires("toxgrade") or () if "extra ==" not in line]
    return sorted(re.split(r"[\[<>=!~; ]", line)[0] for line in asked)


def _files(folder: Traversable, name: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _files(item, f"{name}/{item.name}")
        elif not item.name.endswith(".pyc"):
            yield f"{name}/{item.name}", item

"""`make sbom`: what the service is installed with, and under which licences."""

import re
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.spdx import is_expression
from packageurl import PackageURL

from toxgrade import __version__

_ROOT = Path(__file__).parents[1]
LOCK = _ROOT / "requirements.lock"
LICENCES = _ROOT / "docs" / "licences.md"
TABLE = "| package | licence |\n|---|---|\n"  # What stands above it in the page is written by hand.

ACCEPTED = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT", "MIT-0", "PSF-2.0",
    "Zlib",
}  # fmt: skip
"""Permissive licences, by SPDX identifier: they ask for their text to be kept, and no more."""

ACCEPTED_BY_NAME = {
    "certifi": "MPL-2.0",
    "psycopg": "LGPL-3.0-only",
    "psycopg-binary": "LGPL-3.0-only",
}
"""Others, each for one package that is used unchanged and can be replaced where it is installed."""

READ_BY_HAND = {
    "altair": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
    "polars": "MIT",
    "polars-runtime-32": "MIT",
    "uvloop": "MIT OR Apache-2.0",
}
"""From the licence files of packages whose metadata have no SPDX expression."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A release in a lock file: the SHA-256 of each of its files, the environments that need it
    (None: all), and the names of what requires it."""

    name: str
    version: str
    marker: str | None
    sha256: list[str]
    required_by: list[str]

    @property
    def purl(self) -> PackageURL:
        """Return its package URL."""
        return PackageURL("pypi", name=self.name, version=self.version)


def read_lock(text: str) -> list[Pin]:
    """Return the pins of a lock file that uv wrote, with hashes and with what requires each."""
    pins = []
    for block in re.split(r"\n(?=\S)", text.strip()):
        ((name, version, marker),) = re.findall(r"^(\S+)==(\S+)(?: ; (.+))? \\\n", block)
        hashes = re.findall(r"--hash=sha256:(\w+)", block)
        via = re.findall(r"^ +#(?: via)? +(\S+)", block, flags=re.M)
        pins.append(Pin(name, version, marker or None, hashes, via))
    return pins


def licence(name: str) -> str:
    """Return the SPDX expression of an installed package.

    Raises:
        LookupError: neither its metadata nor `READ_BY_HAND` have one.
    """
    stated = metadata(name)
    for text in (stated["License-Expression"], stated["License"], READ_BY_HAND.get(name)):
        if text and is_expression(text):
            return text
    raise LookupError(f"{name}: read its licence file and add the SPDX expression to READ_BY_HAND")


def not_accepted(name: str, expression: str) -> set[str]:
    """Return the licences of an SPDX expression that are not accepted for this package."""
    licences = set(re.findall(r"[\w.+-]+", expression)) - {"AND", "OR"}
    return licences - ACCEPTED - {ACCEPTED_BY_NAME.get(name, "")}


def licence_table(pins: list[Pin]) -> str:
    """Return the licence of each package as a table in Markdown."""
    names = sorted({pin.name for pin in pins})
    return TABLE + "".join(f"| {name} | {licence(name)} |\n" for name in names)


def sbom(pins: list[Pin]) -> str:
    """Return the bill of materials of Toxgrade with these pins: CycloneDX 1.6, JSON."""
    bom = Bom()
    bom.metadata.component = toxgrade = Component(
        name="toxgrade",
        version=__version__,
        type=ComponentType.APPLICATION,
        bom_ref="toxgrade",
        licenses=[LicenseFactory().make_from_string(licence("toxgrade"))],
    )
    components = [_component(pin) for pin in pins]
    bom.components.update(components)
    for package in (toxgrade, *components):
        of_it = zip(pins, components, strict=True)
        needs = [component for pin, component in of_it if package.name in pin.required_by]
        bom.register_dependency(package, needs)
    return JsonV1Dot6(bom).output_as_string(indent=2)


def _component(pin: Pin) -> Component:
    return Component(
        name=pin.name,
        version=pin.version,
        bom_ref=pin.purl.to_string(),
        purl=pin.purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in pin.sha256],
        licenses=[LicenseFactory().make_from_string(licence(pin.name))],
        properties=[Property(name="toxgrade:marker", value=pin.marker)] if pin.marker else [],
    )


def main() -> None:
    """Write the bill of materials into `dist/`, and the table of `docs/licences.md`."""
    pins = read_lock(LOCK.read_text())
    file = _ROOT / "dist" / f"toxgrade-{__version__}.cdx.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(sbom(pins))
    by_hand, _, _ = LICENCES.read_text().partition(TABLE)
    LICENCES.write_text(by_hand + licence_table(pins))
    print(f"{file.relative_to(_ROOT)}: {len(pins)} packages")


if __name__ == "__main__":
    main()

"""`make audit`: whether a weakness of what is installed has been published."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

_ROOT = Path(__file__).parents[1]
_LOCKS = ("requirements-dev.lock", "requirements-build.lock")  # The first holds all that is served.
NONE, SOME, NOT_KNOWN = 0, 1, 3


class Weakness(msgspec.Struct):
    """A published weakness, and the versions that mend it."""

    id: str
    fix_versions: list[str]


class Package(msgspec.Struct):
    """What is said of one package; ``skip_reason`` if it was not found where weaknesses are."""

    name: str
    version: str | None = None
    skip_reason: str | None = None
    vulns: list[Weakness] = msgspec.field(default_factory=list)


class Report(msgspec.Struct):
    """What pip-audit writes."""

    dependencies: list[Package]


def verdict(ended: int, report: bytes | None, message: str) -> tuple[int, list[str]]:
    """Return the exit code and what to print, of pip-audit's own exit code, report and last line.

    It ends with 0, and says that nothing is known, where it found no package at all; with 1 both
    for a weakness and for a network that is down; and writes no report where all is well.
    """
    if report is None:
        if ended:
            return NOT_KNOWN, [f"NOT AUDITED, whether weaknesses are known is not known: {message}"]
        return NONE, ["No weakness of any package is known."]
    packages = msgspec.json.decode(report, type=Report).dependencies
    skipped = [package for package in packages if package.skip_reason]
    lines = [
        f"{package.name} {package.version}: {weakness.id}, mended in "
        f"{', '.join(weakness.fix_versions) or 'no version'}"
        for package in packages
        for weakness in package.vulns
    ]
    code = SOME if lines else NOT_KNOWN if skipped else NONE
    if skipped:
        lines.append(f"NOT AUDITED: {len(skipped)} of {len(packages)}. {skipped[0].skip_reason}")
    return code, lines or ["No weakness of any package is known."]


def main(locks: tuple[str, ...] = _LOCKS) -> int:
    """Print what is known; return 0 for nothing, 1 for a weakness, 3 if that cannot be known."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip_audit", "--require-hashes", "--disable-pip"]
        command += ["--progress-spinner", "off", "--format", "json", "--output", str(file)]
        for lock in locks:
            command += ["--requirement", str(_ROOT / lock)]
        ended = subprocess.run(command, capture_output=True, text=True)
        report = file.read_bytes() if file.exists() else None
    message = (ended.stderr.strip().splitlines() or [""])[-1]
    code, lines = verdict(ended.returncode, report, message)
    print(*lines, sep="\n")
    return code


if __name__ == "__main__":
    sys.exit(main())

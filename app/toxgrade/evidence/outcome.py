"""What a check found."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check: what was held against what, how many things, and each that was not as expected.

    ``failures`` name cases of the package and figures of the SYNTHETIC cohort, never anything of
    the installation's own database. A check that looked at nothing has not passed.
    """

    name: str
    says: str
    checked: int
    failures: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return self.checked > 0 and not self.failures

"""Callers and what they may do: one role per study."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from toxgrade.errors import Forbidden, NotFound
from toxgrade.server.records.studies import NO_SUCH_STUDY

Role = Literal["reader", "writer", "manager", "admin"]
"""A role may do what earlier ones may, and: read; store; set rules, read the audit; everything."""

ROLES: tuple[Role, ...] = get_args(Role)
EVERY_STUDY = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller whose credentials were checked.

    ``name`` is the caller's name in the audit; ``roles`` are by study, where ``*`` means all.
    """

    name: str
    roles: Mapping[str, Role]

    def may(self, role: Role, study: str | None) -> bool:
        """Return whether the caller has at least this role, on the study or (None) on any."""
        held = self.roles.values() if study is None else self._on(study)
        return any(ROLES.index(each) >= ROLES.index(role) for each in held)

    def require(self, role: Role, study: str | None) -> None:
        """Raise an error unless the caller has at least this role, on the study or (None) on any.

        Raises:
            NotFound: the caller has no role on the study, and may not learn that it exists.
            Forbidden: the caller's role does not allow it.
        """
        if self.may(role, study):
            return
        if study is not None and not self.may("reader", study):
            raise NotFound(NO_SUCH_STUDY)
        raise Forbidden(f"this needs the role {role}")

    def _on(self, study: str) -> list[Role]:
        return [self.roles[name] for name in (study, EVERY_STUDY) if name in self.roles]


ANYONE = Caller("anyone", {EVERY_STUDY: "admin"})
"""The caller of every request to a service with ``TOXGRADE_AUTH=off``."""

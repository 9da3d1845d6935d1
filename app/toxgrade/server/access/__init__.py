"""Who calls, and what they may do: one role per study."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from toxgrade.errors import Forbidden, NotFound
from toxgrade.server.records.studies import NO_SUCH_STUDY

Role = Literal["reader", "writer", "manager", "admin"]
"""Each may what those before it may: read, store, set rules and read the audit, everything."""

ROLES: tuple[Role, ...] = get_args(Role)
EVERY_STUDY = "*"


@dataclass(frozen=True, slots=True)
class Caller:
    """Someone whose credentials were checked.

    ``name`` is how the audit names them; ``roles`` are by study, ``*`` standing for all of them.
    """

    name: str
    roles: Mapping[str, Role]

    def may(self, role: Role, study: str | None) -> bool:
        """Whether the caller has at least this role, on the study or (None) on any."""
        held = self.roles.values() if study is None else self._on(study)
        return any(ROLES.index(each) >= ROLES.index(role) for each in held)

    def require(self, role: Role, study: str | None) -> None:
        """Refuse what the caller may not do; a study they have no role on is not there for them.

        Raises:
            NotFound: the study is not theirs to know of.
            Forbidden: their role does not allow it.
        """
        if self.may(role, study):
            return
        if study is not None and not self.may("reader", study):
            raise NotFound(NO_SUCH_STUDY)
        raise Forbidden(f"this needs the role {role}")

    def _on(self, study: str) -> list[Role]:
        return [self.roles[name] for name in (study, EVERY_STUDY) if name in self.roles]


ANYONE = Caller("anyone", {EVERY_STUDY: "admin"})
"""Every caller of a service that runs with ``TOXGRADE_AUTH=off``."""

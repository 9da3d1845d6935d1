"""Sessions of the pages, on both databases: what they hold, whose they are, and when they end."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, select, update

from toxgrade.errors import Unauthorized
from toxgrade.server.access import Caller
from toxgrade.server.access.credentials import (
    Credentials,
    create_key,
    list_keys,
    revoke_key,
)
from toxgrade.server.access.sessions import MAX_SESSIONS, Sessions
from toxgrade.server.access.tokens import LEEWAY, Token
from toxgrade.server.records.db.service_tables import key_revocations
from toxgrade.server.records.db.service_tables import sessions as table
from toxgrade.server.records.db.transaction import Transaction, transaction
from toxgrade.server.runtime import MACHINE

_ISSUER = "https://issuer.example"
_NAME = "token:dr\N{NULL}\ud800 Ä"  # No database takes it as text.


@pytest.fixture
def opened(database_url: str) -> Iterator[Transaction]:
    with transaction(database_url) as begun:
        yield begun


def _token(seconds: float, name: str = _NAME) -> Token:
    return Token(Caller(name, {"default": "writer"}), time.time() + seconds + LEEWAY, None)


def _accepted(opened: Transaction, session: str, issuer: str | None = _ISSUER) -> bool:
    """Whether a process that has never seen the session accepts it."""
    try:
        Sessions(MACHINE, issuer).check(opened.read(), session)
    except Unauthorized:
        return False
    return True


def _expiry(opened: Transaction) -> float:
    """In how many seconds the one session ends."""
    until = opened.read().execute(select(table.c.expires_at)).scalar_one()
    assert isinstance(until, datetime)
    return (until - datetime.now(UTC)).total_seconds()


def test_a_session_is_its_keys_caller(opened: Transaction) -> None:
    key = create_key(opened, "reviewer", "manager", ["default"])
    session = Sessions(MACHINE).start_with_key(opened, key)
    caller = Sessions(MACHINE).check(opened.read(), session)
    assert caller == Credentials(MACHINE).check_key(opened.read(), key)
    assert dict(caller.roles) == {"default": "manager"}
    assert _expiry(opened) == pytest.approx(8 * 3600, abs=60)


def test_a_session_is_its_tokens_caller(opened: Transaction) -> None:
    session = Sessions(MACHINE, _ISSUER).start_with_token(opened, _token(600))
    caller = Sessions(MACHINE, _ISSUER).check(opened.read(), session)
    assert (caller.name, dict(caller.roles)) == (_NAME, {"default": "writer"})


def test_neither_key_nor_session_is_stored(opened: Transaction) -> None:
    key = create_key(opened, "reviewer")
    session = Sessions(MACHINE).start_with_key(opened, key)
    stored = str(opened.read().execute(select(table)).all())
    assert session not in stored
    assert key not in stored
    assert key.split("_", 2)[2] not in stored
    assert len(session) == 43  # 256 bits
    assert session != Sessions(MACHINE).start_with_key(opened, key)


@pytest.mark.parametrize(
    ("valid_days", "hours"), [(None, 8), (1, 8), (0.25, 6)], ids=["for ever", "a day", "six hours"]
)
def test_a_session_ends_with_its_key_at_the_latest(
    opened: Transaction, valid_days: float | None, hours: float
) -> None:
    until = datetime.now(UTC) + timedelta(days=valid_days) if valid_days else None
    key = create_key(opened, "x", expires_at=until)
    Sessions(MACHINE).start_with_key(opened, key)
    assert _expiry(opened) == pytest.approx(hours * 3600, abs=60)


@pytest.mark.parametrize(("seconds", "lasts"), [(60, 60), (600, 600), (10**6, 8 * 3600)])
def test_a_session_ends_with_its_token_at_the_latest(
    opened: Transaction, seconds: float, lasts: float
) -> None:
    Sessions(MACHINE, _ISSUER).start_with_token(opened, _token(seconds))
    assert _expiry(opened) == pytest.approx(lasts, abs=10)


def test_a_token_accepted_by_leeway_starts_none(opened: Transaction) -> None:
    with pytest.raises(Unauthorized):
        Sessions(MACHINE, _ISSUER).start_with_token(opened, _token(-1))


def test_what_starts_none(opened: Transaction) -> None:
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    expired, revoked = (
        create_key(opened, "e", expires_at=an_hour_ago),
        create_key(opened, "r"),
    )
    session = Sessions(MACHINE).start_with_key(opened, revoked)
    revoke_key(opened, list_keys(opened.read())[-1][0].prefix)
    for wrong in (expired, revoked, session, "", "tox_", "tox_01234567_" + "x" * 43, "\0\ud800"):
        with pytest.raises(Unauthorized):
            Sessions(MACHINE).start_with_key(opened, wrong)


def test_revoking_a_key_ends_its_sessions_and_no_other(opened: Transaction) -> None:
    keys = [create_key(opened, label) for label in ("theirs", "mine")]
    theirs, mine = (Sessions(MACHINE).start_with_key(opened, key) for key in keys)
    prefix = list_keys(opened.read())[0][0].prefix
    assert revoke_key(opened, prefix) == 1
    assert (_accepted(opened, theirs), _accepted(opened, mine)) == (False, True)


def test_a_session_that_a_revocation_missed_is_not_accepted(opened: Transaction) -> None:
    """It was started in the same moment."""
    session = Sessions(MACHINE).start_with_key(opened, create_key(opened, "x"))
    revoked = {"key_id": list_keys(opened.read())[0][0].id, "recorded_at": datetime.now(UTC)}
    opened.connection.execute(insert(key_revocations).values(revoked))
    assert not _accepted(opened, session)


def test_a_session_ends_when_its_issuer_is_no_longer_trusted(opened: Transaction) -> None:
    session = Sessions(MACHINE, _ISSUER).start_with_token(opened, _token(600))
    assert _accepted(opened, session)
    assert not _accepted(opened, session, issuer=None)
    assert not _accepted(opened, session, issuer="https://other.example")


def test_signing_out_ends_the_session_in_every_process(opened: Transaction) -> None:
    here = Sessions(MACHINE)
    session = here.start_with_key(opened, create_key(opened, "x"))
    here.check(opened.read(), session)
    assert here.remembered(session) is not None
    here.end(opened, session)
    assert here.remembered(session) is None
    assert not _accepted(opened, session)
    here.end(opened, session)  # again, or what never was one


def test_expired_sessions_are_removed_by_the_next(opened: Transaction) -> None:
    key = create_key(opened, "x")
    old = Sessions(MACHINE).start_with_key(opened, key)
    opened.connection.execute(update(table).values(expires_at=datetime.now(UTC)))
    assert not _accepted(opened, old)
    Sessions(MACHINE, _ISSUER).start_with_token(opened, _token(60))
    assert len(opened.read().execute(select(table)).all()) == 1


def test_the_oldest_sessions_of_one_owner_make_room(opened: Transaction) -> None:
    key, other = (create_key(opened, label) for label in "xy")
    first_of_other = Sessions(MACHINE).start_with_key(opened, other)
    of_key = [Sessions(MACHINE).start_with_key(opened, key) for _ in range(MAX_SESSIONS + 2)]
    of_token = [
        Sessions(MACHINE, _ISSUER).start_with_token(opened, _token(60))
        for _ in range(MAX_SESSIONS + 1)
    ]
    assert [_accepted(opened, each) for each in of_key] == [False] * 2 + [True] * MAX_SESSIONS
    assert [_accepted(opened, each) for each in of_token] == [False] + [True] * MAX_SESSIONS
    assert _accepted(opened, first_of_other)


def test_a_session_is_remembered_no_longer_than_it_lasts(opened: Transaction) -> None:
    here = Sessions(MACHINE, _ISSUER)
    session = here.start_with_token(opened, _token(0.2))
    here.check(opened.read(), session)
    assert here.remembered(session) is not None
    time.sleep(0.3)
    assert here.remembered(session) is None


def test_a_digest_is_no_session(opened: Transaction) -> None:
    """Who reads the table can open nothing with what is in it."""
    Sessions(MACHINE).start_with_key(opened, create_key(opened, "x"))
    (digest,) = opened.read().scalars(select(table.c.token_sha256))
    assert not _accepted(opened, digest)


def test_asking_by_a_session_takes_no_more_queries_than_by_the_key(
    opened: Transaction, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = create_key(opened, "reviewer", "reader", ["default"])
    session = Sessions(MACHINE).start_with_key(opened, key)
    asked, execute = list[object](), Connection.execute

    def count(self: Connection, statement: object, *args: object, **kw: object) -> object:
        asked.append(statement)
        return execute(self, statement, *args, **kw)  # type: ignore[call-overload]

    monkeypatch.setattr(Connection, "execute", count)
    Credentials(MACHINE).check_key(opened.read(), key)
    by_key = len(asked)
    Sessions(MACHINE).check(opened.read(), session)
    assert len(asked) == 2 * by_key

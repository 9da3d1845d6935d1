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
from toxgrade.server.records.db.engine import transaction
from toxgrade.server.records.db.service_tables import key_revocations
from toxgrade.server.records.db.service_tables import sessions as table

_ISSUER = "https://issuer.example"
_NAME = "token:dr\N{NULL}\ud800 Ä"  # No database takes it as text.


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with transaction(database_url) as connection:
        yield connection


def _token(seconds: float, name: str = _NAME) -> Token:
    return Token(Caller(name, {"default": "writer"}), time.time() + seconds + LEEWAY, None)


def _accepted(connection: Connection, session: str, issuer: str | None = _ISSUER) -> bool:
    """Whether a process that has never seen the session accepts it."""
    try:
        Sessions(issuer).check(connection, session)
    except Unauthorized:
        return False
    return True


def _expiry(connection: Connection) -> float:
    """In how many seconds the one session ends."""
    until = connection.execute(select(table.c.expires_at)).scalar_one()
    assert isinstance(until, datetime)
    return (until - datetime.now(UTC)).total_seconds()


def test_a_session_is_its_keys_caller(connection: Connection) -> None:
    key = create_key(connection, "reviewer", "manager", ["default"])
    session = Sessions().start_with_key(connection, key)
    caller = Sessions().check(connection, session)
    assert caller == Credentials().check_key(connection, key)
    assert dict(caller.roles) == {"default": "manager"}
    assert _expiry(connection) == pytest.approx(8 * 3600, abs=60)


def test_a_session_is_its_tokens_caller(connection: Connection) -> None:
    session = Sessions(_ISSUER).start_with_token(connection, _token(600))
    caller = Sessions(_ISSUER).check(connection, session)
    assert (caller.name, dict(caller.roles)) == (_NAME, {"default": "writer"})


def test_neither_key_nor_session_is_stored(connection: Connection) -> None:
    key = create_key(connection, "reviewer")
    session = Sessions().start_with_key(connection, key)
    stored = str(connection.execute(select(table)).all())
    assert session not in stored
    assert key not in stored
    assert key.split("_", 2)[2] not in stored
    assert len(session) == 43  # 256 bits
    assert session != Sessions().start_with_key(connection, key)


@pytest.mark.parametrize(
    ("valid_days", "hours"), [(None, 8), (1, 8), (0.25, 6)], ids=["for ever", "a day", "six hours"]
)
def test_a_session_ends_with_its_key_at_the_latest(
    connection: Connection, valid_days: float | None, hours: float
) -> None:
    until = datetime.now(UTC) + timedelta(days=valid_days) if valid_days else None
    key = create_key(connection, "x", expires_at=until)
    Sessions().start_with_key(connection, key)
    assert _expiry(connection) == pytest.approx(hours * 3600, abs=60)


@pytest.mark.parametrize(("seconds", "lasts"), [(60, 60), (600, 600), (10**6, 8 * 3600)])
def test_a_session_ends_with_its_token_at_the_latest(
    connection: Connection, seconds: float, lasts: float
) -> None:
    Sessions(_ISSUER).start_with_token(connection, _token(seconds))
    assert _expiry(connection) == pytest.approx(lasts, abs=10)


def test_a_token_accepted_by_leeway_starts_none(connection: Connection) -> None:
    with pytest.raises(Unauthorized):
        Sessions(_ISSUER).start_with_token(connection, _token(-1))


def test_what_starts_none(connection: Connection) -> None:
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    expired, revoked = (
        create_key(connection, "e", expires_at=an_hour_ago),
        create_key(connection, "r"),
    )
    session = Sessions().start_with_key(connection, revoked)
    revoke_key(connection, list_keys(connection)[-1][0].prefix)
    for wrong in (expired, revoked, session, "", "tox_", "tox_01234567_" + "x" * 43, "\0\ud800"):
        with pytest.raises(Unauthorized):
            Sessions().start_with_key(connection, wrong)


def test_revoking_a_key_ends_its_sessions_and_no_other(connection: Connection) -> None:
    keys = [create_key(connection, label) for label in ("theirs", "mine")]
    theirs, mine = (Sessions().start_with_key(connection, key) for key in keys)
    prefix = list_keys(connection)[0][0].prefix
    assert revoke_key(connection, prefix) == 1
    assert (_accepted(connection, theirs), _accepted(connection, mine)) == (False, True)


def test_a_session_that_a_revocation_missed_is_not_accepted(connection: Connection) -> None:
    """It was started in the same moment."""
    session = Sessions().start_with_key(connection, create_key(connection, "x"))
    revoked = {"key_id": list_keys(connection)[0][0].id, "recorded_at": datetime.now(UTC)}
    connection.execute(insert(key_revocations).values(revoked))
    assert not _accepted(connection, session)


def test_a_session_ends_when_its_issuer_is_no_longer_trusted(connection: Connection) -> None:
    session = Sessions(_ISSUER).start_with_token(connection, _token(600))
    assert _accepted(connection, session)
    assert not _accepted(connection, session, issuer=None)
    assert not _accepted(connection, session, issuer="https://other.example")


def test_signing_out_ends_the_session_in_every_process(connection: Connection) -> None:
    here = Sessions()
    session = here.start_with_key(connection, create_key(connection, "x"))
    here.check(connection, session)
    assert here.remembered(session) is not None
    here.end(connection, session)
    assert here.remembered(session) is None
    assert not _accepted(connection, session)
    here.end(connection, session)  # again, or what never was one


def test_expired_sessions_are_removed_by_the_next(connection: Connection) -> None:
    key = create_key(connection, "x")
    old = Sessions().start_with_key(connection, key)
    connection.execute(update(table).values(expires_at=datetime.now(UTC)))
    assert not _accepted(connection, old)
    Sessions(_ISSUER).start_with_token(connection, _token(60))
    assert len(connection.execute(select(table)).all()) == 1


def test_the_oldest_sessions_of_one_owner_make_room(connection: Connection) -> None:
    key, other = (create_key(connection, label) for label in "xy")
    first_of_other = Sessions().start_with_key(connection, other)
    of_key = [Sessions().start_with_key(connection, key) for _ in range(MAX_SESSIONS + 2)]
    of_token = [
        Sessions(_ISSUER).start_with_token(connection, _token(60)) for _ in range(MAX_SESSIONS + 1)
    ]
    assert [_accepted(connection, each) for each in of_key] == [False] * 2 + [True] * MAX_SESSIONS
    assert [_accepted(connection, each) for each in of_token] == [False] + [True] * MAX_SESSIONS
    assert _accepted(connection, first_of_other)


def test_a_session_is_remembered_no_longer_than_it_lasts(connection: Connection) -> None:
    here = Sessions(_ISSUER)
    session = here.start_with_token(connection, _token(0.2))
    here.check(connection, session)
    assert here.remembered(session) is not None
    time.sleep(0.3)
    assert here.remembered(session) is None


def test_a_digest_is_no_session(connection: Connection) -> None:
    """Who reads the table can open nothing with what is in it."""
    Sessions().start_with_key(connection, create_key(connection, "x"))
    (digest,) = connection.scalars(select(table.c.token_sha256))
    assert not _accepted(connection, digest)


def test_asking_by_a_session_takes_no_more_queries_than_by_the_key(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = create_key(connection, "reviewer", "reader", ["default"])
    session = Sessions().start_with_key(connection, key)
    asked, execute = list[object](), Connection.execute

    def count(self: Connection, statement: object, *args: object, **kw: object) -> object:
        asked.append(statement)
        return execute(self, statement, *args, **kw)  # type: ignore[call-overload]

    monkeypatch.setattr(Connection, "execute", count)
    Credentials().check_key(connection, key)
    by_key = len(asked)
    Sessions().check(connection, session)
    assert len(asked) == 2 * by_key

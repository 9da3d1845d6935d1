"""``toxgrade pull``: read patients' results from an EHR's FHIR server and store them."""

import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toxgrade.cli.options import Parser, fail, settings

if TYPE_CHECKING:
    import httpx

    from toxgrade.server.ehr.pull.authorization import Authorization
    from toxgrade.server.ehr.pull.fhir_server import Server
    from toxgrade.server.ehr.pull.http_client import Calls
    from toxgrade.server.ehr.pull.wanted import Done, Wanted
    from toxgrade.server.runtime import Runtime


def arguments(parser: Parser) -> None:
    parser.runs(pull)
    add = parser.add_argument
    add("--fhir-url", required=True, help="the base address of a FHIR R4 server")
    add(
        "--patients", type=Path, required=True,
        help="CSV: patient (the study's pseudonym), fhir_id if that differs",
    )  # fmt: skip
    add("--study", default="default", help="the study to store results in (%(default)s)")
    add("--done", type=Path, help="keeps who is done: a pull that broke off goes on after them")
    add("--whole", action="store_true", help="read all again, not only what is new or changed")
    add("--client-id", help="SMART Backend Services: our name at the server")
    add("--key", type=Path, help="our private key, as a JWK with kid")
    add("--bearer", type=Path, help="a file with a fixed token; or TOXGRADE_PULL_BEARER")
    add("--basic", type=Path, help="a file with user:password; or TOXGRADE_PULL_BASIC")


@dataclass(frozen=True, slots=True)
class _Shown:
    """How we show the server who we are; None: not in this way."""

    client_id: str | None
    key: Path | None
    bearer: Path | None
    basic: Path | None


def pull(
    fhir_url: str, patients: Path, study: str, done: Path | None, whole: bool,
    client_id: str | None, key: Path | None, bearer: Path | None, basic: Path | None,
) -> int:  # fmt: skip
    """Read results and radiotherapy from an EHR's FHIR server; grade and store them.

    Exits with 1 if a patient could not be pulled as a whole; what was found is stored.
    """
    from toxgrade.errors import SourceError
    from toxgrade.server.ehr.pull.fhir_server import Server, read_base
    from toxgrade.server.ehr.pull.http_client import Calls, Limits
    from toxgrade.server.ehr.pull.wanted import Done, read_wanted
    from toxgrade.server.records.db.engine import snapshot
    from toxgrade.server.records.schema import upgrade
    from toxgrade.server.records.studies import find_study
    from toxgrade.server.runtime import MACHINE

    wanted, completed = read_wanted(patients), Done(done, study, fhir_url)
    base, chosen = read_base(fhir_url), settings()
    upgrade(chosen.database_url)
    with snapshot(chosen.database_url) as connection:
        find_study(connection, study)
    runtime = MACHINE
    with closing(Calls(Limits(answer_bytes=chosen.max_bundle_bytes), runtime)) as calls:
        try:
            shown = _authorization(_Shown(client_id, key, bearer, basic), base, calls, runtime)
        except SourceError as error:
            return fail(str(error))
        server = Server(base, calls, shown)
        return 0 if _pull(server, study, wanted, completed, runtime, is_whole=whole) else 1


def _authorization(
    shown: _Shown, base: "httpx.URL", calls: "Calls", runtime: "Runtime"
) -> "Authorization | None":
    """Return what the command line gives, else what the environment does; None: nothing.

    Raises:
        RequestError: it is not one thing, or cannot be used.
        SourceError: the server does not say where tokens are to be had.
    """
    from toxgrade.errors import RequestError
    from toxgrade.server.ehr.pull import authorization as ways
    from toxgrade.server.ehr.pull.smart import find_token_endpoint

    if (shown.client_id is None) != (shown.key is None):
        raise RequestError("--client-id and --key are given together")
    if sum(one is not None for one in (shown.key, shown.bearer, shown.basic)) > 1:
        raise RequestError("give one of --bearer, --basic, and --client-id with --key")
    if shown.client_id is not None and shown.key is not None:
        key = ways.read_key(shown.key)
        endpoint = find_token_endpoint(base, calls)
        return ways.BackendToken(shown.client_id, key, endpoint, calls, runtime)
    if shown.bearer is not None:
        return ways.read_secret(shown.bearer, "--bearer", ways.bearer)
    if shown.basic is not None:
        return ways.read_secret(shown.basic, "--basic", ways.basic)
    return _of_environment()


def _of_environment() -> "Authorization | None":
    from toxgrade.errors import RequestError
    from toxgrade.server.ehr.pull.authorization import basic, bearer

    chosen = settings()
    if chosen.pull_bearer and chosen.pull_basic:
        raise RequestError("set one of TOXGRADE_PULL_BEARER and TOXGRADE_PULL_BASIC")
    if chosen.pull_bearer:
        return bearer(chosen.pull_bearer.get_secret_value(), "TOXGRADE_PULL_BEARER")
    if chosen.pull_basic:
        return basic(chosen.pull_basic.get_secret_value(), "TOXGRADE_PULL_BASIC")
    return None


def _pull(
    server: "Server",
    study: str,
    wanted: "list[Wanted]",
    done: "Done",
    runtime: "Runtime",
    *,
    is_whole: bool,
) -> bool:
    """Pull each patient who is not done; return whether all succeeded."""
    from getpass import getuser

    from toxgrade.criteria.reader import load
    from toxgrade.fhir.results import Accepted
    from toxgrade.grading.rules import Graders
    from toxgrade.server.ehr.pull.run import Pull, Target
    from toxgrade.server.records.db.engine import build_engine
    from toxgrade.server.records.writer import Writer

    def tell(sentence: str) -> None:
        print(sentence, file=sys.stderr)

    chosen, graders = settings(), Graders(load())
    accepted = Accepted(unknown=chosen.fhir_unknown_status == "final")
    engine = build_engine(chosen.database_url)
    with closing(Writer(engine, runtime)) as writer:
        target = Target(study, engine, writer, graders, accepted, f"cli:{getuser()}")
        succeeded = Pull(server, target, wanted, is_whole=is_whole, tell=tell).run(done)
    engine.dispose()
    return succeeded

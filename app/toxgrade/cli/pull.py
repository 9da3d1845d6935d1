"""``toxgrade pull``: read patients' results from an EHR's FHIR server and store them."""

import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from toxgrade.cli.options import Parser, fail, settings

if TYPE_CHECKING:
    from toxgrade.grading.rules import Graders
    from toxgrade.server.ehr.pull.fhir_server import Server
    from toxgrade.server.ehr.pull.http_client import Calls
    from toxgrade.server.ehr.pull.patients import Done, Kept, Wanted
    from toxgrade.server.records.writer import Writer

_IN_A_ROW = 3  # The pull stops when the server has failed for so many patients in a row.


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
    add("--client-id", help="SMART Backend Services: our name at the server")
    add("--key", type=Path, help="our private key, as a JWK with kid")


def pull(
    fhir_url: str, patients: Path, study: str, done: Path | None, client_id: str | None,
    key: Path | None,
) -> int:  # fmt: skip
    """Read results and radiotherapy from an EHR's FHIR server; grade and store them.

    Exits with 1 if a patient could not be pulled as a whole; what was found is stored.
    """
    from toxgrade.errors import SourceError
    from toxgrade.server.ehr.pull.http_client import Calls, Limits
    from toxgrade.server.ehr.pull.patients import Done, read_wanted
    from toxgrade.server.records.db.engine import transaction, upgrade
    from toxgrade.server.records.studies import find_study

    wanted, completed = read_wanted(patients), Done(done, study, fhir_url)
    chosen = settings()
    upgrade(chosen.database_url)
    with transaction(chosen.database_url, reads_only=True) as connection:
        find_study(connection, study)
    with closing(Calls(Limits(answer_bytes=chosen.max_bundle_bytes))) as calls:
        try:
            server = _server(fhir_url, client_id, key, calls)
        except SourceError as error:
            return fail(str(error))
        return 0 if _pull(server, study, wanted, completed) else 1


def _server(fhir_url: str, client_id: str | None, key: Path | None, calls: "Calls") -> "Server":
    """Return the FHIR server, with a SMART backend token if client id and key are given."""
    from toxgrade.errors import RequestError
    from toxgrade.server.ehr.pull.fhir_server import Server, read_base, token_address
    from toxgrade.server.ehr.pull.http_client import BackendToken, read_key

    base = read_base(fhir_url)
    if client_id is None and key is None:
        return Server(base, calls)
    if client_id is None or key is None:
        raise RequestError("--client-id and --key are given together")
    token = BackendToken(client_id, read_key(key), *token_address(base, calls), calls)
    return Server(base, calls, token)


def _pull(server: "Server", study: str, wanted: "list[Wanted]", done: "Done") -> bool:
    """Pull each patient who is not done; return whether all succeeded."""
    from toxgrade.criteria.reader import load
    from toxgrade.errors import RequestError, SourceError
    from toxgrade.grading.rules import Graders
    from toxgrade.server.ehr.pull.patients import Kept
    from toxgrade.server.records.db.engine import build_engine
    from toxgrade.server.records.writer import Writer

    engine, graders = build_engine(settings().database_url), Graders(load())
    total, failed, in_a_row = Kept(0, 0, 0, 0), 0, 0
    with closing(Writer(engine)) as writer:
        for one in (one for one in wanted if one.patient not in done.patients):
            try:
                kept, is_whole = _pull_patient(server, study, one, graders, writer)
            except (SourceError, RequestError) as error:
                print(f"line {one.line}: {_reason(error)}", file=sys.stderr)
                failed += 1
                in_a_row = in_a_row + 1 if isinstance(error, SourceError) else 0
                if in_a_row == _IN_A_ROW:
                    print(f"the server failed {_IN_A_ROW} times in a row: stopped", file=sys.stderr)
                    break
                continue
            total += kept
            in_a_row = 0
            if is_whole:
                done.add(one.patient)
            else:
                failed += 1
    engine.dispose()
    print(f"{total}; patients that could not be pulled: {failed}", file=sys.stderr)
    return not failed


def _pull_patient(
    server: "Server", study: str, wanted: "Wanted", graders: "Graders", writer: "Writer"
) -> "tuple[Kept, bool]":
    """Store what the server has of a patient; return how much, and whether that was all of it.

    Raises SourceError if the server fails, RequestError if nothing was found or it cannot be kept.
    """
    from getpass import getuser

    from toxgrade.errors import RequestError
    from toxgrade.fhir.results import Accepted
    from toxgrade.server.ehr.pull.patients import keep, pull_patient
    from toxgrade.server.records.audit_log import AuditAction

    accepted = Accepted(unknown=settings().fhir_unknown_status == "final")
    pulled = pull_patient(server, wanted.fhir_id, graders, accepted)
    if pulled.is_empty:
        raise RequestError("nothing was found for this patient")
    job = partial(keep, study=study, patient=wanted.patient, pulled=pulled, graders=graders)
    act = AuditAction(f"cli:{getuser()}", "toxgrade pull", study, wanted.patient)
    kept = writer.submit(job, act).result()
    for told in pulled.told:
        print(f"line {wanted.line}: {told}", file=sys.stderr)
    return kept, pulled.is_whole


def _reason(error: Exception) -> str:
    """Return why a patient could not be pulled, and where in the Bundle of what was found."""
    from toxgrade.errors import RequestError

    faults = error.faults[:3] if isinstance(error, RequestError) else []
    places = [f"{'.'.join(map(str, f.loc))}: {f.message}" for f in faults]
    return "; ".join([str(error), *places])

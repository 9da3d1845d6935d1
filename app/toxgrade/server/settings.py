"""The settings of the service: environment variables ``TOXGRADE_…``, read once and frozen."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

HL7Charset = Literal[
    "ASCII", "UNICODE UTF-8", "8859/1", "8859/2", "8859/3", "8859/4", "8859/5", "8859/6", "8859/7",
    "8859/8", "8859/9", "8859/15",
]  # fmt: skip
_ROOT_PATH = re.compile(r"(/[\w.~-]+)+", re.ASCII)


class Settings(BaseSettings):
    """How this process runs.

    ``auth`` ``off`` is accepted only where nobody else can connect: on a loopback host.
    ``root_path``: under what path of its host a proxy serves this (``/toxgrade``), which it takes
    off; None: at the root. ``proxies``: addresses and networks whose ``X-Forwarded-For`` and
    ``X-Forwarded-Proto`` count, with commas between them.
    ``rate_per_second``: tokens that flow to one key in this process (a request costs 1, and 1 more
    for every 20 or so rows). ``slow_client_seconds``: who sends or reads nearly nothing for so long
    is let go. ``read_seconds``, ``write_seconds``: a query, or storing what a POST sent, that takes
    longer is answered with 503.
    ``hl7v2_authority``: whose identifier in PID-3 is the study's pseudonym (None: the first);
    ``hl7v2_codes``: local codes of OBX-3 and the analytes they mean, as JSON; ``hl7v2_charset``:
    that of messages that declare none, by HL7 table 0211 (None: UTF-8).
    ``batches_dir`` holds uploads until they are stored; ``workers`` is how many store them beside
    the service; what a worker holds is another's once it has not been heard of for
    ``lease_seconds``. ``upload_memory_bytes``, ``upload_seconds``: what reading an upload may take,
    see ``CutLimits``.
    ``max_bundle_*`` limit what ``/fhir`` and ``/cds-services`` take at once.
    ``fhir_unknown_status``: whether an Observation of status ``unknown`` counts as final.
    ``cors_origins``: browser clients that may call ``/cds-services``, as JSON
    (``["https://ehr.example"]``); ``cds_study``: the study whose rules and pages its cards have.
    ``pull_bearer``, ``pull_basic``: the token, or ``user:password``, that ``toxgrade pull`` shows.
    ``audit_heads``: where the audit's heads are sent every ``audit_heads_seconds``: a file,
    ``syslog://HOST:PORT`` or an ``https://`` address (None: nowhere).
    ``jwt_*``: tokens of this issuer for this audience are accepted too, signed by the keys (JWKS)
    at an https address or in a file; ``jwt_token_url`` is where clients get them.
    """

    model_config = SettingsConfigDict(
        env_prefix="TOXGRADE_", frozen=True, extra="forbid",
        hide_input_in_errors=True,  # A URL may hold a password.
    )  # fmt: skip

    database_url: str = "sqlite:///toxgrade.db"
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    root_path: str | None = None
    proxies: str = "127.0.0.1,::1"
    auth: Literal["on", "off"] = "on"
    max_results: PositiveInt = 5000
    max_body_bytes: PositiveInt = 8 * 1024 * 1024
    rate_per_second: PositiveFloat = 500
    slow_client_seconds: PositiveFloat = 10
    read_seconds: PositiveFloat = 30
    write_seconds: PositiveFloat = 30
    hl7v2_authority: str | None = None
    hl7v2_codes: dict[str, str] = Field(default_factory=dict)
    hl7v2_charset: HL7Charset | None = None
    batches_dir: Path = Path("toxgrade-batches")
    max_bundle_entries: PositiveInt = 10_000
    max_bundle_bytes: PositiveInt = 32 * 1024 * 1024
    fhir_unknown_status: Literal["refuse", "final"] = "refuse"
    cors_origins: tuple[str, ...] = ()
    cds_study: str = "default"
    pull_bearer: SecretStr | None = None
    pull_basic: SecretStr | None = None
    max_batch_bytes: PositiveInt = 4 * 1024**3
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    lease_seconds: Annotated[float, Field(ge=1)] = 30
    upload_memory_bytes: Annotated[int, Field(ge=2**28)] = 2 * 1024**3
    upload_seconds: Annotated[float, Field(ge=1)] = 60

    audit_heads: str | None = None
    audit_heads_seconds: PositiveFloat = 3600

    jwt_issuer: str | None = None
    jwt_audience: str | None = None
    jwt_keys: str | None = None
    jwt_token_url: str | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_unset(cls, given: object, info: ValidationInfo) -> object:
        """Read an empty variable as None where that is the default; refuse it elsewhere."""
        if given != "" or info.field_name is None:
            return given
        if cls.model_fields[info.field_name].default is None:
            return None
        raise ValueError("it is empty; give a value, or leave it unset for the default")

    @field_validator("root_path")
    @classmethod
    def _valid_path(cls, given: str | None) -> str | None:
        if given is not None and not _ROOT_PATH.fullmatch(given):
            raise ValueError("expected a path such as /toxgrade, without a slash at its end")
        return given

    @field_validator("proxies")
    @classmethod
    def _are_networks(cls, given: str) -> str:
        try:
            for part in given.split(","):
                ip_network(part.strip())
        except ValueError:
            text = "expected addresses or networks, such as 127.0.0.1,10.1.0.0/16"
            raise ValueError(text) from None
        return given

    @field_validator("audit_heads")
    @classmethod
    def _known_receiver(cls, given: str | None) -> str | None:
        scheme, is_address, _ = (given or "").partition("://")
        if not given or not is_address:
            return given
        try:
            address = urlsplit(given)
            is_known = scheme in ("syslog", "https") and bool(address.hostname)
            is_known = is_known and (address.port is None or address.port > 0)
        except ValueError:
            is_known = False
        if not is_known:
            raise ValueError("expected a file, syslog://HOST:PORT or an https:// address")
        return given

    @field_validator("database_url")
    @classmethod
    def _supported_database(cls, url: str) -> str:
        try:
            parsed = make_url(url)
            driver, database = parsed.drivername, parsed.database
        except (ArgumentError, ValueError):  # Its text would hold the password.
            driver, database = "", None
        has_file = driver == "sqlite" and database not in (None, "", ":memory:")
        if not has_file and driver not in ("postgresql", "postgresql+psycopg"):
            kinds = "sqlite:///FILE or postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
            raise ValueError(f"expected {kinds}")
        return url

    @model_validator(mode="after")
    def _complete_issuer(self) -> Self:
        given = (self.jwt_issuer, self.jwt_audience, self.jwt_keys)
        if any(given) and not all(given):
            raise ValueError("TOXGRADE_JWT_ISSUER, _JWT_AUDIENCE and _JWT_KEYS are set together")
        if self.jwt_keys and self.jwt_keys.startswith("http:"):
            raise ValueError("TOXGRADE_JWT_KEYS: expected an https:// address or a file")
        return self

    @model_validator(mode="after")
    def _open_only_on_loopback(self) -> Self:
        if self.auth == "off" and not is_loopback(self.host):
            raise ValueError("TOXGRADE_AUTH=off is accepted only with a loopback TOXGRADE_HOST")
        return self


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

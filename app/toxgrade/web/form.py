"""What a form posts, read within bounds."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from toxgrade.errors import RequestError, TooLarge

_MOST_BYTES, _MOST_FIELDS = 64 * 1024, 500


async def read_form(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form, white space around them taken off; of twins the last.

    Raises:
        TooLarge: longer than any form of ours.
        RequestError: not a form.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise TooLarge(f"the form is longer than {_MOST_BYTES} bytes")
    try:
        found = parse_qsl(body.decode("ascii"), max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise RequestError("expected an urlencoded form") from None
    return {name: text.strip() for name, text in found}

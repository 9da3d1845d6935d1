"""What a request that hands in a file looks like, as OpenAPI describes it."""

from typing import Any

from toxgrade.http.upload_files import LONGEST_WORD, MEDIA_TYPES
from toxgrade.tabular.read_options import OPTIONS

_WORDS = {
    option.name: {"type": "string", "maxLength": LONGEST_WORD, "description": option.help}
    | ({"enum": list(option.choices)} if option.choices else {})
    for option in OPTIONS
}
UPLOAD: dict[str, Any] = {
    "parameters": [
        {
            "name": option.name,
            "in": "query",
            "description": option.help,
            "schema": {"type": "array", "items": _WORDS[option.name]}
            if option.repeatable
            else _WORDS[option.name],
        }
        for option in OPTIONS
    ],
    "requestBody": {
        "required": True,
        "content": {
            **{media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["labs"],
                    "properties": {
                        "labs": {"type": "string", "format": "binary"},
                        "patients": {"type": "string", "format": "binary"},
                        "mapping": {"type": "string", "format": "binary"},
                        **_WORDS,
                    },
                }
            },
        },
    },
}

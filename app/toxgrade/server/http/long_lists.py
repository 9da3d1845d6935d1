"""Lists in a JSON body that are too long, refused before each of their items is validated.

What is found wrong of an item takes hundreds of times the memory of the item.
"""

from typing import Any

from toxgrade.errors import FieldFault, TooLarge


def refuse_long_lists(document: Any, most: int) -> None:
    """Refuse a body with a field whose list has more than ``most`` items.

    Raises:
        TooLarge: it names the field, if that is a name of ours.
    """
    fields = document.items() if isinstance(document, dict) else ()
    for name, items in fields:
        if isinstance(items, list) and len(items) > most:
            fault = FieldFault((name,), "too-many", f"at most {most} in one request")
            text = f"more than {most} results: send a batch, graded by `toxgrade grade`"
            raise TooLarge(text, [fault])

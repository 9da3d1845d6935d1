"""Envelopes of files and batches of HL7 v2: whether as many messages came as they say."""

import re
from collections.abc import Sequence

from toxgrade.server.ehr.hl7v2.acknowledge import Remark


def told_of_envelopes(parts: Sequence[tuple[str, str]]) -> list[Remark]:
    """Return a remark for each batch or file whose trailer is missing or says another number."""
    remarks = []
    for begins, counted, ends in (("BHS", "MSH", "BTS"), ("FHS", "BTS", "FTS")):
        came, is_open = 0, False
        for name, said in parts:
            if name == begins:
                came, is_open = 0, True
            elif name == counted:
                came += 1
            elif name == ends:
                is_bare = ends == "FTS" and came == 0 and said in ("0", "1")
                if re.fullmatch("[0-9]{1,9}", said) and int(said) != came and not is_bare:
                    text = f"{ends}-1 says {int(said)}, {came} came: something may be missing"
                    remarks.append(Remark((ends, 1, 1), "count", text))
                came, is_open = 0, False
        if is_open:
            text = f"{begins} without {ends}: something may be missing"
            remarks.append(Remark((begins, 1), "no-trailer", text))
    return remarks

"""Divisions 行政区划 by their codes (GB/T 2260): a division stands above those that begin as it does."""

import re


def prefix(region: str | None) -> str:
    """Return what the codes of ``region`` and of all below it begin with: 1502 of 150200 or 1502, 152530 of 152530.

    The levels of a division take two digits each, so zeros go in pairs; a street's nine digits are as they are. Empty
    without a region: all of them.
    """
    return re.sub("(00)+$", "", region) if region and len(region) == 6 else region or ""

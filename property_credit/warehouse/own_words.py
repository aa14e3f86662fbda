"""What an enterprise's own words beside its grade may hold: one line, and nobody who could be rung up or identified.

The contract of the feed ``replies`` and the workbench's form judge by the same two patterns (of polars).
"""

LONGEST = 200  # characters, §8.3
CONTROL = r"[\p{C}\p{Zl}\p{Zp}]"
# a mobile or landline number, or an identity card's, spaces and hyphens within it allowed; a credit code is neither
PERSONAL = r"(^|[^0-9A-Za-z])(1[3-9]([ -]?\d){9}|0\d{2,3}[ -]?\d{7,8}|[1-9]\d{5}(19|20)\d{9}[\dXx])($|[^0-9A-Za-z])"

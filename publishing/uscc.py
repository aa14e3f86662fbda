"""The check digit of 统一社会信用代码 (GB 32100-2015), one code at a time, as the API needs it."""

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


def problem_with(code: str) -> str | None:
    """Say what is wrong with ``code``, or None when it is a valid code.

    >>> problem_with("91350100M000100Y43") is None
    True
    >>> problem_with("91350100M000100Y44")
    'the check digit should be 3, not 4'
    """
    if len(code) != 18:
        return f"a code has 18 characters, this one has {len(code)}"
    for position, character in enumerate(code, start=1):
        if character not in _VALUES:
            return f"character {position} ({character!r}) does not occur in a code"
    weighted = sum(_VALUES[character] * pow(3, index, 31) for index, character in enumerate(code[:17]))
    expected = ALPHABET[-weighted % 31]
    if code[17] != expected:
        return f"the check digit should be {expected}, not {code[17]}"
    return None

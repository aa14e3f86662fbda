"""统一社会信用代码 that are valid in form and belong to nobody. Knows nothing of who carries them."""

import numpy as np

from property_credit.warehouse.credit_codes import ALPHABET, check_character

_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)  # GB 11714, characters 1–8 of the organisation code


def organisation_check(first8: str) -> str:
    """Return the 9th character of an organisation code (GB 11714)."""
    values = [int(character, 36) for character in first8]
    rest = 11 - sum(value * weight for value, weight in zip(values, _ORGANISATION_WEIGHTS, strict=True)) % 11
    return {10: "X", 11: "0"}.get(rest, str(rest))


def make_code(prefix: str, region_code: str, serial: str) -> str:
    """Return the code of 登记管理部门+机构类别 ``prefix`` (2), ``region_code`` (6) and ``serial`` (8 characters)."""
    first17 = f"{prefix}{region_code}{serial}{organisation_check(serial)}"
    return first17 + check_character(first17)


def make_codes(rng: np.random.Generator, *, prefix: str, region_codes: list[str]) -> list[str]:
    """Return one distinct valid code for every region code."""
    serials: set[str] = set()
    codes = []
    for region_code in region_codes:
        while True:
            serial = "MA" + "".join(ALPHABET[value] for value in rng.integers(0, 31, 6))
            if serial not in serials:
                break
        serials.add(serial)
        codes.append(make_code(prefix, region_code, serial))
    return codes


def spoil(code: str) -> str:
    """Return ``code`` with a check character that is certainly wrong."""
    return code[:17] + ALPHABET[(ALPHABET.index(code[17]) + 7) % 31]

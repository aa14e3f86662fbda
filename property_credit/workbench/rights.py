"""Who may do what: one table of (act) → (roles and levels), and one rule of where.

An enterprise acts on its own cases, an office on cases in its area and below, an administrator on accounts of its area
and below. Looks at plain values; the database refuses the same again for roles and for officers who may not decide.
"""

from dataclasses import dataclass

from property_credit.workbench.areas import Areas

ENTERPRISE, ADMINISTRATOR = "enterprise", "administrator"
ROLES = {"administrator": "管理员", "officer": "经办人", "enterprise": "企业"}
DECIDING = frozenset({"district", "city", "region"})  # offices that decide; a street or 社区 deals with complaints
EVERY_OFFICE = DECIDING | {"street", "community"}
RIGHTS: dict[tuple[str, str], frozenset[str]] = {
    ("objection", "file"): frozenset({ENTERPRISE}),
    ("objection", "supplement"): frozenset({ENTERPRISE}),
    ("objection", "withdraw"): frozenset({ENTERPRISE}),
    ("objection", "ask_review"): frozenset({ENTERPRISE}),
    ("objection", "mark"): DECIDING,
    ("objection", "forward"): DECIDING,
    ("objection", "recuse"): DECIDING,
    ("objection", "decide"): DECIDING,
    ("objection", "review"): DECIDING,
    ("reply", "file"): frozenset({ENTERPRISE}),
    ("reply", "withdraw"): frozenset({ENTERPRISE}),
    ("repair", "file"): frozenset({ENTERPRISE}),
    ("repair", "supplement"): frozenset({ENTERPRISE}),
    ("repair", "withdraw"): frozenset({ENTERPRISE}),
    ("repair", "mark"): DECIDING,
    ("repair", "forward"): DECIDING,
    ("repair", "recuse"): DECIDING,
    ("repair", "decide"): DECIDING,
    ("alert", "assign"): DECIDING,
    ("alert", "note"): DECIDING,
    ("alert", "explain"): DECIDING,
    ("alert", "confirm"): DECIDING,
    ("alert", "close"): DECIDING,
    ("alert", "reopen"): DECIDING,
    ("complaint", "take"): EVERY_OFFICE,
    ("complaint", "note"): EVERY_OFFICE,
    ("complaint", "send_back"): EVERY_OFFICE,
    ("complaint", "close"): EVERY_OFFICE,
    ("match", "link"): DECIDING,
    ("match", "separate"): DECIDING,
    ("match", "undo"): DECIDING,
    ("case_file", "request"): DECIDING | {ENTERPRISE},
    ("account", "invite"): frozenset({ADMINISTRATOR}),
    ("account", "renew"): frozenset({ADMINISTRATOR}),
    ("account", "remove"): frozenset({ADMINISTRATOR}),
}


@dataclass(frozen=True)
class Account:
    """Who is signed in: an enterprise (``uscc``), an officer or an administrator of an area."""

    name: str
    role_code: str
    area_code: str | None = None
    community_id: str | None = None
    uscc: str | None = None
    officer_code: str | None = None

    def level(self, areas: Areas) -> str | None:
        """Return the level of an office's account; None for an enterprise."""
        if self.community_id:
            return "community"
        return areas.levels.get(self.area_code) if self.area_code else None


@dataclass(frozen=True)
class Place:
    """What a case is about and where it lies: the enterprise, the most exact area, the community."""

    uscc: str | None = None
    area_code: str | None = None
    community_id: str | None = None


def sees(account: Account, place: Place, areas: Areas) -> bool:
    """Say whether a case at ``place`` is the account's own, or lies in its area."""
    if account.role_code == ENTERPRISE:
        return place.uscc is not None and place.uscc == account.uscc
    if account.community_id:
        return place.community_id == account.community_id
    return areas.holds(account.area_code, place.area_code)


def may(account: Account, kind: str, act: str, place: Place, areas: Areas) -> bool:
    """Say whether the account may do ``act`` to a case of ``kind`` at ``place``."""
    return does(account, kind, act, areas) and sees(account, place, areas)


def does(account: Account, kind: str, act: str, areas: Areas) -> bool:
    """Say whether the account's role and level do ``act`` to cases of ``kind`` at all, wherever they lie."""
    who = account.level(areas) if account.role_code == "officer" else account.role_code
    return who in RIGHTS.get((kind, act), frozenset())

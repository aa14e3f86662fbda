"""Areas as the newest night knows them, and which account an area, a community or an enterprise belongs to."""

import time
from dataclasses import dataclass
from functools import lru_cache

import psycopg

from property_credit.workbench.errors import WorkbenchError

LEVELS = {"region": "自治区", "city": "盟市", "district": "旗县区", "street": "街道", "community": "社区"}
BELIEVED_SECONDS = 30  # a night builds the areas anew once a day


@dataclass(frozen=True)
class Areas:
    """Every area with its name, its level and the area above it; every community's most exact area."""

    names: dict[str, str]
    levels: dict[str, str]
    parents: dict[str, str | None]
    communities: dict[str, str]
    community_names: dict[str, str]

    def holds(self, area_code: str | None, inside: str | None) -> bool:
        """Say whether ``inside`` is ``area_code`` or lies below it; nothing holds an area that is not known."""
        step = inside
        while step is not None and step != area_code:
            step = self.parents.get(step)
        return step is not None and area_code is not None

    def path(self, code: str | None) -> str:
        """Return the names from below the autonomous region down to ``code``."""
        steps: list[str] = []
        while code is not None and code in self.names:
            if self.parents[code] is not None or not steps:
                steps.insert(0, self.names[code])
            code = self.parents[code]
        return " ".join(steps)


def read(connection: psycopg.Connection) -> Areas:
    """Return the areas; WorkbenchError before the first night."""
    return _read(connection.info.dbname, int(time.monotonic() / BELIEVED_SECONDS), _Held(connection))


class _Held:
    """A connection that does not count in a cache's key."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held)


@lru_cache(maxsize=2)
def _read(_database: str, _while: int, held: _Held) -> Areas:
    try:
        areas = held.connection.execute(
            "select area_code, coalesce(area_name, area_code), level_code, parent_area_code "
            "from marts.mart_scorecards__areas"
        ).fetchall()
        communities = held.connection.execute(
            "select community_id, coalesce(street_code, region_code), community_name from marts.dim_community"
        ).fetchall()
    except psycopg.errors.UndefinedTable as error:
        raise WorkbenchError("系统尚未完成第一次夜间计算，暂无数据，请次日再来。") from error
    return Areas(
        names={row[0]: row[1] for row in areas},
        levels={row[0]: row[2] for row in areas},
        parents={row[0]: row[3] for row in areas},
        communities={row[0]: row[1] for row in communities},
        community_names={row[0]: row[2] or row[0] for row in communities},
    )

"""The feeds, one contract a file: a file here makes a feed known; ``property-credit feeds write`` does the rest.

``NAMES`` are in the order in which they refer to one another: a feed stands behind all whose keys its rows name.
"""

import pkgutil
from importlib import import_module

from property_credit.ingestion.contract import Feed, IngestionError


def _contracts() -> dict[str, Feed]:
    modules = (import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return {feed.name: feed for feed in (module.FEED for module in modules)}


def _in_order(contracts: dict[str, Feed]) -> tuple[str, ...]:
    depths: dict[str, int] = {}

    def depth(name: str) -> int:
        if name not in depths:
            depths[name] = 1 + max(map(depth, contracts[name].references), default=-1)
        return depths[name]

    return tuple(sorted(contracts, key=lambda name: (depth(name), name)))


_CONTRACTS = _contracts()
NAMES = _in_order(_CONTRACTS)
EVENTS = tuple(name for name in NAMES if _CONTRACTS[name].has_own_dag)
REGISTERS = tuple(name for name in NAMES if not _CONTRACTS[name].has_own_dag)


def get(name: str) -> Feed:
    """Return the contract of feed ``name``; IngestionError lists the known ones when there is none."""
    if name not in _CONTRACTS:
        raise IngestionError(f"there is no feed {name!r}; feeds are: {', '.join(NAMES)}")
    return _CONTRACTS[name]

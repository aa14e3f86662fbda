"""What else the project holds of a feed, made from its contract: `property-credit feeds write`.

Owns which files these are. Two kinds: lists over all feeds, made again each time (a test compares them), and the first
draft of a feed's own files (migration, staging model), written once and then edited by people.
"""

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from property_credit.ingestion import feeds
from property_credit.ingestion.contract import Feed, Field
from property_credit.warehouse.settings import PROJECT_ROOT

FRESHNESS = Path("dbt_project/seeds/feed_freshness.csv")
RELATIONS = Path("dbt_project/macros/feeds.sql")
SOURCES = Path("dbt_project/models/staging/raw_feeds.yml")
CODES = Path("dbt_project/seeds/codes.csv")
STAGING = Path("dbt_project/models/staging")
MIGRATIONS = Path("property_credit/warehouse/migrations/versions")
FRESHNESS_COLUMNS = ("feed", "title_zh", "max_age_days", "is_scored", "valid_from")
KNOWN_SINCE = "2026-01-01"
_SQL_TYPES = {"date": "date", "timestamp": "timestamptz", "integer": "integer", "boolean": "boolean"}


@dataclass(frozen=True)
class Written:
    """A file that ``write`` looked at: its path below the project's root, and what became of it."""

    path: Path
    state: str  # 'unchanged', 'written', 'drafted: look through it'


def lists(contracts: Iterable[Feed]) -> dict[Path, str]:
    """Return the files that list all feeds, by path below the project's root, as they should be.

    ``contracts`` stand in the order in which they refer to one another.
    """
    contracts = tuple(contracts)
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(FRESHNESS_COLUMNS)
    for feed in contracts:
        writer.writerow([feed.name, feed.title_zh, feed.max_age_days, str(feed.is_scored).lower(), KNOWN_SINCE])
    sources = (
        "# Made from the contracts by `property-credit feeds write`.\nversion: 2\n\nsources:\n  - name: raw\n"
        "    schema: raw\n    description: Every accepted version of every row, append-only, written by ingestion.\n"
        "    config: {loaded_at_field: received_at}\n    tables:\n"
    )
    for feed in contracts:
        grain = " × ".join(feed.key)
        sources += f"      - name: {feed.name}\n"
        about = f"{feed.title_zh}, {feed.title_en}. One row per {grain} and version."
        sources += f"        description: {json.dumps(about, ensure_ascii=False)}\n"  # a YAML text like any JSON text
        limit = f"{{count: {feed.max_age_days}, period: day}}"
        sources += f"        config: {{freshness: {{warn_after: {limit}}}}}\n"
    relations = (
        "{#- The staging model of a feed, by name; none: there is no such feed. Made from the contracts by"
        " `property-credit feeds write`. -#}\n{% macro feed_relation(feed) -%}\n  {{ return({\n"
    )
    for feed in contracts:
        relations += f"    '{feed.name}': {{'relation': ref('stg_{feed.name}'), 'key': {list(feed.key)}}},\n"
    relations += "  }.get(feed)) }}\n{%- endmacro %}\n"
    return {FRESHNESS: table.getvalue(), SOURCES: sources, RELATIONS: relations}


def drafts(feed: Feed, *, root: Path = PROJECT_ROOT) -> dict[Path, str]:
    """Return the first drafts of what ``feed`` lacks below ``root``: table, staging model with its tests, labels."""
    files: dict[Path, str] = {}
    texts = [path.read_text("utf-8") for path in (root / MIGRATIONS).glob("*.py")]
    if not any(f'"{feed.name}": (' in text or f"create table raw.{feed.name} " in text for text in texts):
        newest = max(path.name[:4] for path in (root / MIGRATIONS).glob("[0-9]*.py"))
        number = f"{int(newest) + 1:04}"
        files[MIGRATIONS / f"{number}_feed_{feed.name}.py"] = _migration(feed, number, newest)
    if not (root / STAGING / f"stg_{feed.name}.sql").exists():
        files[STAGING / f"stg_{feed.name}.sql"] = _staging_sql(feed)
        files[STAGING / f"stg_{feed.name}.yml"] = _staging_yml(feed)
        labels = (root / CODES).read_text("utf-8")
        missing = "".join(
            f"{_list_code(feed, field)},{code},,,{KNOWN_SINCE}\n"
            for field in _coded(feed)
            for code in field.codes
            if f"{_list_code(feed, field)},{code}," not in labels
        )
        if missing:
            files[CODES] = labels + missing
    return files


def write(*, root: Path = PROJECT_ROOT, is_dry: bool = False) -> list[Written]:
    """Bring the files of all feeds below ``root`` to what the contracts say; ``is_dry``: only say what would change."""
    contracts = [feeds.get(name) for name in feeds.NAMES]
    report = []
    for path, text in lists(contracts).items():
        is_new = not (root / path).exists() or (root / path).read_text("utf-8") != text
        report.append(Written(path, "written" if is_new else "unchanged"))
        if is_new and not is_dry:
            (root / path).write_text(text, "utf-8")
    for feed in contracts:
        for path, text in drafts(feed, root=root).items():
            report.append(Written(path, "drafted: look through it"))
            if not is_dry:
                (root / path).write_text(text, "utf-8")
    return report


def _column(field: Field) -> str:
    kind = (
        f"numeric({field.precision},{field.scale})" if field.type == "decimal" else _SQL_TYPES.get(field.type, "text")
    )
    return f"{field.name} {kind}" + " not null" * field.required


def _migration(feed: Feed, number: str, newest: str) -> str:
    columns = ",\n          ".join(_column(field) for field in feed.fields)
    return f'''"""raw.{feed.name}: {feed.title_en}.

Revision ID: {number}
"""

from alembic import op

revision = "{number}"
down_revision = "{newest}"


def upgrade() -> None:
    op.execute(
        """
        create table raw.{feed.name} (
          {columns},
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))
        );
        create index {feed.name}_key on raw.{feed.name} ({", ".join(feed.key)});
        create index {feed.name}_arrival on raw.{feed.name} using brin (received_at) with (pages_per_range = 16);
        grant select, insert on raw.{feed.name} to pc_ingestion;
        grant select on raw.{feed.name} to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
'''


def _shown(feed: Feed) -> list[Field]:
    return [field for field in feed.fields if not field.personal and field.name != "updated_at"]


def _staging_sql(feed: Feed) -> str:
    keys = ", ".join(f"'{name}'" for name in feed.key)
    columns = "".join(f"\n    '{field.name}'," for field in _shown(feed))
    return (
        f"{{{{ latest_as_known(\n  source('raw', '{feed.name}'),\n  key=[{keys}],\n  columns=[{columns}\n  ],\n) }}}}\n"
    )


def _list_code(feed: Feed, field: Field) -> str:
    return f"{feed.name}_{field.name.removesuffix('_code')}"


def _coded(feed: Feed) -> list[Field]:
    return [field for field in _shown(feed) if field.codes]


def _staging_yml(feed: Feed) -> str:
    lines = [
        "version: 2\n\nmodels:",
        f"  - name: stg_{feed.name}",
        "    description: >-",
        f"      {feed.title_en[:1].upper()}{feed.title_en[1:]}: the latest version as known at the business date.",
        f"      One row per {' × '.join(feed.key)}.",
        f"    constraints: [{{type: primary_key, columns: [{', '.join(feed.key)}]}}]",
        "    columns:",
    ]
    for field in _shown(feed):
        lines.append(f"      - name: {field.name}")
        lines.append(f"        description: {json.dumps(f'{field.zh}, {field.en}', ensure_ascii=False)}")
        checks = ["not_null"] if field.required else []
        if field.references:
            key = feeds.get(field.references).key[0]
            checks.append(f"relationships: {{arguments: {{to: ref('stg_{field.references}'), field: {key}}}}}")
        if field.codes:
            checks.append(f"listed_code: {{arguments: {{list_code: {_list_code(feed, field)}}}}}")
        if checks:
            lines.append("        data_tests:")
            lines += [f"          - {check}" for check in checks]
    return "\n".join(lines) + "\n"

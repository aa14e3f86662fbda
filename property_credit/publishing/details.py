"""What an enterprise and its regulators see of a grade: points, reasons, caps, what would raise it, and the preview of
the next list; replaced with every publication.

Owns the detail's shape. Only the newest publication has details: a repaired record leaves with the night that read it.
"""

import json
from collections.abc import Mapping

from psycopg import Connection

REGULATOR_ONLY = ("is_key_supervision",)  # 重点监管 is an internal list (method, section 7)


def replace(
    connection: Connection,
    publication_id: int,
    run_id: str,
    regions: Mapping[str, list[str]],
    next_list: Mapping[str, str],
) -> None:
    """Store the details of ``run_id`` and the method it was graded by.

    Args:
        connection: inside the publication's transaction.
        publication_id: the publication they belong to.
        run_id: the scoring run.
        regions: credit code → divisions it serves in, those above them included.
        next_list: the list that the grade of this run is a preview of.
    """
    connection.execute("delete from publishing.enterprise_details")
    connection.execute(
        """
        insert into publishing.enterprise_details (uscc, publication_id, region_codes, body)
        select graded.uscc, %(publication_id)s,
          coalesce((select array_agg(value order by value) from
            jsonb_array_elements_text(%(regions)s::jsonb -> graded.uscc)), '{}'),
          jsonb_build_object(
            'score', graded.score, 'public_pct', graded.public_pct, 'market_pct', graded.market_pct,
            'bonus_points', graded.bonus_points, 'is_key_supervision', graded.is_key_supervision,
            'grade_before_caps', graded.grade_before_caps, 'held', graded.held, 'caps', graded.caps,
            'not_rated_reasons', graded.not_rated_reasons,
            'preview', %(next_list)s::jsonb || jsonb_build_object('grade', graded.grade,
              'status_code', graded.status_code),
            'top_reasons', coalesce((
              select jsonb_agg(jsonb_build_object('indicator_code', lost.value ->> 'indicator_code',
                  'points_lost', lost.value ->> 'points', 'reason_zh', given.reason_zh, 'reason_en', given.reason_en)
                order by lost.place)
              from jsonb_array_elements(graded.lift -> 'lost') with ordinality as lost (value, place)
              join scoring.indicator_points as given on given.run_id = graded.run_id and given.uscc = graded.uscc
                and given.indicator_code = lost.value ->> 'indicator_code'
              where lost.place <= 4), '[]'),
            'lift', graded.lift, 'indicators', coalesce(points.indicators, '[]'))
        from scoring.grades as graded
        left join (
          select uscc, jsonb_agg(jsonb_build_object(
              'indicator_code', indicator_code, 'points', points, 'max_points', max_points,
              'status_code', status_code, 'reason_zh', reason_zh, 'reason_en', reason_en,
              'evidence_ids', evidence_ids) order by indicator_code) as indicators
          from scoring.indicator_points where run_id = %(run_id)s group by uscc) as points
          on points.uscc = graded.uscc
        where graded.run_id = %(run_id)s
        """,
        {
            "publication_id": publication_id,
            "run_id": run_id,
            "regions": json.dumps(dict(regions)),
            "next_list": json.dumps(dict(next_list)),
        },
    )
    connection.execute(
        """
        insert into publishing.methods (method_version, content_sha256, document)
        select method_version, content_sha256, document from scoring.methods
        where method_version = (select method_version from scoring.runs where run_id = %s)
        on conflict (method_version) do nothing
        """,
        (run_id,),
    )

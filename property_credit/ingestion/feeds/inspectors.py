"""检查人员名录: who may inspect where; the drawing of inspectors starts here. Codes only, never a name."""

from property_credit.ingestion.contract import REGION_PATTERN, Feed, Field, RowRule

FEED = Feed(
    name="inspectors",
    title_zh="检查人员名录",
    title_en="inspectors, by authority and district",
    max_age_days=100,
    is_scored=True,
    key=("inspector_code", "region_code"),
    event_field="active_from",
    ends_field="active_until",
    fields=(
        Field("inspector_code", "text", "检查人员代号", "inspector: a code, never a name", required=True),
        Field("region_code", "text", "区划代码", "district the inspector works in", required=True,
              pattern=REGION_PATTERN, is_region=True),
        Field("authority_code", "code", "所属部门", "authority", required=True,
              codes=("housing", "fire", "market", "urban_management", "police", "other")),
        Field("active_from", "date", "入库日期", "inspects from", required=True),
        Field("active_until", "date", "出库日期", "inspects until", may_be_future=True),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "ENDED_BEFORE_BEGUN",
            "active_until",
            "出库早于入库",
            "ended before it began",
            lambda row: row["active_until"] < row["active_from"],
        ),
    ),
)  # fmt: skip

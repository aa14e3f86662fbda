"""检查人员回避登记: to which enterprises an inspector is tied and must not be sent."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="inspector_ties",
    title_zh="检查人员回避登记",
    title_en="ties of inspectors to enterprises",
    max_age_days=100,
    is_scored=True,
    key=("inspector_code", "uscc", "relation_code"),
    event_field="starts_on",
    ends_field="ends_on",
    fields=(
        Field("inspector_code", "text", "检查人员代号", "inspector: a code, never a name", required=True),
        Field("uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True,
              references="enterprises"),
        Field("relation_code", "code", "关系类别", "kind of tie", required=True,
              codes=("former_employee", "relative", "shareholder", "owner", "other")),
        Field("starts_on", "date", "回避起始日期", "tied from", required=True),
        Field("ends_on", "date", "回避截止日期", "tied until", may_be_future=True),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "ENDED_BEFORE_BEGUN",
            "ends_on",
            "截止早于起始",
            "ended before it began",
            lambda row: row["ends_on"] < row["starts_on"],
        ),
    ),
)  # fmt: skip

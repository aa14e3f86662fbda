"""物业管理联席会议: which streets have a joint meeting on property management, and when it last met."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="joint_meetings",
    title_zh="联席会议",
    title_en="joint meetings of streets on property management",
    max_age_days=100,
    key=("street_code",),
    event_field="established_on",
    ends_field="ended_on",
    fields=(
        Field("street_code", "text", "街道代码", "street", required=True),
        Field("established_on", "date", "建立日期", "established on", required=True),
        Field("ended_on", "date", "终止日期", "ended on"),
        Field("last_met_on", "date", "最近召开日期", "last met on"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "ENDED_BEFORE_ESTABLISHED",
            "ended_on",
            "终止早于建立",
            "ended before it was established",
            lambda row: row["ended_on"] < row["established_on"],
        ),
        RowRule(
            "MET_BEFORE_ESTABLISHED",
            "last_met_on",
            "召开早于建立",
            "met before it was established",
            lambda row: row["last_met_on"] < row["established_on"],
        ),
    ),
)

"""码上办入驻: which communities can be scanned, and since when."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="mashangban_enrolments",
    title_zh="码上办入驻",
    title_en="communities reached by Mashangban",
    max_age_days=100,
    is_scored=True,
    key=("community_id",),
    event_field="enrolled_on",
    ends_field="withdrawn_on",
    fields=(
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field("enrolled_on", "date", "入驻日期", "enrolled on", required=True),
        Field("withdrawn_on", "date", "退出日期", "withdrawn on"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "WITHDRAWN_BEFORE_ENROLLED",
            "withdrawn_on",
            "退出早于入驻",
            "withdrawn before it was enrolled",
            lambda row: row["withdrawn_on"] < row["enrolled_on"],
        ),
    ),
)

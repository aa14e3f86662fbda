"""业主满意度调查: surveys of owners."""

from property_credit.ingestion.contract import Feed, Field

FEED = Feed(
    name="surveys",
    title_zh="满意度测评",
    title_en="surveys of owners",
    max_age_days=100,
    is_scored=True,
    key=("survey_id", "community_id"),
    event_field="surveyed_on",
    immutable=("surveyed_on",),
    fields=(
        Field("survey_id", "text", "调查编号", "survey", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field("uscc", "uscc", "统一社会信用代码", "unified social credit code", references="enterprises"),
        Field("surveyed_on", "date", "调查日期", "surveyed on", required=True),
        Field("agency_name", "text", "调查机构", "agency", maximum_length=500),
        Field("response_count", "integer", "有效问卷数", "valid responses", required=True, minimum=0),
        Field(
            "satisfaction_score",
            "decimal",
            "满意度",
            "satisfaction, 0 to 100",
            required=True,
            precision=5,
            minimum=0,
            maximum=100,
        ),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
)

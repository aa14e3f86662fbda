"""服务标准评估: conformity with DB15/T 970, always with the edition and the level that were assessed."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="standard_assessments",
    title_zh="服务标准评估",
    title_en="conformity with the service standard",
    max_age_days=100,
    is_scored=True,
    key=("assessment_id",),
    event_field="assessed_on",
    immutable=("assessed_on", "standard_edition"),
    fields=(
        Field("assessment_id", "text", "评估编号", "assessment", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field("uscc", "uscc", "统一社会信用代码", "unified social credit code", references="enterprises"),
        Field("assessed_on", "date", "评估日期", "assessed on", required=True),
        Field("standard_edition", "text", "标准版本", "edition of the standard", required=True),
        Field("service_level", "text", "评估等级", "level that was assessed, in that edition's words", required=True),
        Field("item_count", "integer", "评估项数", "items assessed", required=True, minimum=1),
        Field("conforming_item_count", "integer", "符合项数", "items that conform", required=True, minimum=0),
        Field("agency_name", "text", "评估机构", "agency", maximum_length=500),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "CONFORMING_MORE_THAN_ASSESSED",
            "conforming_item_count",
            "符合项数大于评估项数",
            "more items conform than were assessed",
            lambda row: row["conforming_item_count"] > row["item_count"],
        ),
    ),
)

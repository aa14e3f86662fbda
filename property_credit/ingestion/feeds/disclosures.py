"""“12+N”公开: disclosures of the "12+N" classes."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="disclosures",
    title_zh="信息公示",
    title_en='disclosures of the "12+N" classes',
    max_age_days=35,
    is_scored=True,
    key=("disclosure_id",),
    event_field="published_on",
    immutable=("disclosure_class_code", "period_start_on"),
    fields=(
        Field("disclosure_id", "text", "公示编号", "disclosure", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field(
            "disclosure_class_code",
            "code",
            "公示类别",
            "class",
            required=True,
            codes=("c01", "c02", "c03", "c04", "c05", "c06", "c07", "c08", "c09", "c10", "c11", "c12"),
        ),
        Field("period_start_on", "date", "所属期起始", "period starts on", required=True),
        Field("published_on", "date", "公示日期", "published on"),
        Field("is_verified", "boolean", "是否核验", "verified"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "PUBLISHED_BEFORE_PERIOD",
            "published_on",
            "公示早于所属期",
            "published before its period began",
            lambda row: row["published_on"] < row["period_start_on"],
        ),
    ),
)

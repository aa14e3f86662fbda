"""应急维修登记: emergencies for which the maintenance fund was used without a vote, and their filing."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="emergency_repairs",
    title_zh="维修资金应急使用",
    title_en="emergency uses of the maintenance fund",
    max_age_days=35,
    is_scored=True,
    key=("emergency_id",),
    event_field="occurred_on",
    immutable=("use_code", "occurred_on"),
    fields=(
        Field("emergency_id", "text", "应急编号", "emergency", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field(
            "use_code",
            "code",
            "应急事项",
            "what happened",
            required=True,
            codes=(
                "roof_leak",
                "wall_leak",
                "lift_failure",
                "fire_facilities",
                "water_pumps",
                "drainage",
                "facade_falling",
                "other",
            ),
        ),
        Field("occurred_on", "date", "发生日期", "happened on", required=True),
        Field("filed_on", "date", "备案日期", "filed on"),
        Field("recognised_on", "date", "主管部门认定日期", "recognised as an emergency by the authority on"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "FILED_BEFORE_IT_HAPPENED",
            "filed_on",
            "备案早于发生",
            "filed before it happened",
            lambda row: row["filed_on"] < row["occurred_on"],
        ),
    ),
)

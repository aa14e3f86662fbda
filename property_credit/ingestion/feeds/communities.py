"""小区名录: residential communities."""

from property_credit.ingestion.contract import REGION_PATTERN, STREET_PATTERN, Feed, Field, RowRule

FEED = Feed(
    name="communities",
    title_zh="小区台账",
    title_en="residential communities",
    max_age_days=35,
    is_scored=True,
    key=("community_id",),
    event_field="updated_at",
    fields=(
        Field("community_id", "text", "小区编码", "community", required=True),
        Field("community_name", "text", "小区名称", "name", required=True),
        Field("region_code", "text", "区划代码", "district", required=True, pattern=REGION_PATTERN, is_region=True),
        Field("street_code", "text", "街道代码", "street code", pattern=STREET_PATTERN),
        Field("street_name", "text", "街道名称", "street name"),
        Field(
            "community_type_code",
            "code",
            "小区类型",
            "kind of community",
            required=True,
            codes=("commercial", "old", "resettlement", "transferred", "abandoned", "affordable"),
        ),
        Field("built_year", "integer", "建成年份", "year built", minimum=1900, maximum=2100),
        Field("household_count", "integer", "户数", "households", required=True, minimum=1, maximum=100_000),
        Field("floor_area_m2", "decimal", "建筑面积", "floor area, m²", precision=14, minimum=0),
        Field("has_lift", "boolean", "有无电梯", "has lifts", required=True),
        Field("is_price_guided", "boolean", "是否政府指导价", "fee under government guidance"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
        Field("effective_on", "date", "变更生效日期", "these values hold from", may_be_future=True, is_later=True),
        Field(
            "change_code",
            "code",
            "变更性质",
            "a change, or a correction",
            codes=("change", "correction"),
            is_later=True,
        ),
    ),
    rules=(
        RowRule(
            "BUILT_IN_FUTURE",
            "built_year",
            "建成年份晚于业务日期",
            "built after the business date",
            lambda row: row["built_year"] > row.business_date.year,
        ),
    ),
)

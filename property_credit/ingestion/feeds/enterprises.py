"""物业服务主体名录: managers of communities: enterprises and others."""

from property_credit.ingestion.contract import REGION_PATTERN, Feed, Field, RowRule

FEED = Feed(
    name="enterprises",
    title_zh="企业登记",
    title_en="managers of communities: enterprises and others",
    max_age_days=35,
    is_scored=True,
    key=("uscc",),
    event_field="updated_at",
    fields=(
        Field("uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True),
        Field("enterprise_name", "text", "名称", "name", required=True),
        Field(
            "organisation_type_code",
            "code",
            "主体类型",
            "kind of organisation",
            required=True,
            codes=("enterprise", "committee", "social_org"),
        ),
        Field(
            "registered_region_code",
            "text",
            "登记地区划代码",
            "region of registration",
            required=True,
            pattern=REGION_PATTERN,
        ),
        Field("established_on", "date", "成立日期", "established on"),
        Field("is_active", "boolean", "是否存续", "still registered", required=True),
        Field(
            "listing_status_code",
            "code",
            "经营异常状态",
            "abnormal-operations list",
            required=True,
            codes=("none", "listed", "cured"),
        ),
        Field("listed_on", "date", "列入日期", "listed on"),
        Field("delisted_on", "date", "移出日期", "taken off the list on"),
        Field("annual_report_filed_on", "date", "年报公示日期", "annual report filed on"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "DELISTED_BEFORE_LISTED",
            "delisted_on",
            "移出日期早于列入日期",
            "taken off the list before it was put on it",
            lambda row: row["delisted_on"] < row["listed_on"],
        ),
        RowRule(
            "LISTED_WITHOUT_DATE",
            "listed_on",
            "列入经营异常但无列入日期",
            "listed, but the date of listing is missing",
            lambda row: (row["listing_status_code"] == "listed") & row["listed_on"].is_null(),
        ),
    ),
)

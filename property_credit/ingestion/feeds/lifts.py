"""电梯定期检验: lifts and their periodical inspections, one row an inspection."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="lifts",
    title_zh="电梯定期检验",
    title_en="lifts and their periodical inspections, one row an inspection",
    max_age_days=35,
    is_scored=True,
    key=("lift_id", "inspected_on"),
    event_field="inspected_on",
    ends_field="out_of_use_on",
    fields=(
        Field("lift_id", "text", "设备代码", "lift, by its registration as special equipment", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field(
            "origin_code",
            "code",
            "来源",
            "there from the start, renewed, or added to an old building",
            required=True,
            codes=("original", "renewed", "added"),
        ),
        Field("in_use_from", "date", "投用日期", "in use from", required=True),
        Field("out_of_use_on", "date", "停用日期", "taken out of use on"),
        Field("inspected_on", "date", "检验日期", "inspected on", required=True),
        Field("valid_until", "date", "下次检验日期", "last day the inspection is valid", may_be_future=True),
        Field("result_code", "code", "检验结论", "result", required=True, codes=("passed", "failed")),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "VALID_BEFORE_INSPECTED",
            "valid_until",
            "有效期早于检验",
            "valid until a day before it was inspected",
            lambda row: row["valid_until"] < row["inspected_on"],
        ),
        RowRule(
            "PASSED_WITHOUT_VALIDITY",
            "valid_until",
            "检验合格但无下次检验日期",
            "passed, but until when is missing",
            lambda row: (row["result_code"] == "passed") & row["valid_until"].is_null(),
        ),
        RowRule(
            "OUT_OF_USE_BEFORE_IN_USE",
            "out_of_use_on",
            "停用早于投用",
            "taken out of use before it came into use",
            lambda row: row["out_of_use_on"] < row["in_use_from"],
        ),
    ),
)

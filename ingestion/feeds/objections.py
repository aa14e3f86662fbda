"""异议: objections of enterprises."""

from ingestion.contract import LONG_TEXT, Feed, Field, RowRule

FEED = Feed(
    name="objections",
    title_zh="异议",
    title_en="objections of enterprises",
    key=("objection_id",),
    event_field="filed_on",
    fields=(
        Field("objection_id", "text", "异议编号", "objection", required=True),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field(
            "target_type_code",
            "code",
            "异议对象类型",
            "what it is about",
            required=True,
            codes=("complaint", "inspection", "public_credit", "grade"),
        ),
        Field("target_id", "text", "异议对象编号", "which one", required=True),
        Field("filed_on", "date", "提出日期", "filed on", required=True),
        Field("marked_on", "date", "标注日期", "marked on"),
        Field("forwarded_on", "date", "转办日期", "forwarded on"),
        Field("decided_on", "date", "办结日期", "decided on"),
        Field(
            "outcome_code",
            "code",
            "结果",
            "outcome",
            required=True,
            codes=("pending", "upheld", "rejected", "withdrawn"),
        ),
        Field("original_officer_code", "text", "原经办人代号", "original officer", personal=True),
        Field("decider_code", "text", "复核人代号", "decider", personal=True),
        Field("reply", "text", "答复", "reply", maximum_length=LONG_TEXT),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "DECIDED_BEFORE_FILED",
            "decided_on",
            "办结早于提出",
            "decided before it was filed",
            lambda row: row["decided_on"] < row["filed_on"],
        ),
        RowRule(
            "DECIDED_WITHOUT_DATE",
            "decided_on",
            "已有结论但无办结日期",
            "decided, but the date is missing",
            lambda row: row["outcome_code"].is_in(["upheld", "rejected"]) & row["decided_on"].is_null(),
        ),
    ),
)

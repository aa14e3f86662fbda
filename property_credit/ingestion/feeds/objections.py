"""异议: objections of enterprises."""

from property_credit.ingestion.contract import LONG_TEXT, Feed, Field, RowRule

FEED = Feed(
    name="objections",
    title_zh="异议",
    title_en="objections of enterprises",
    max_age_days=35,
    is_scored=True,
    key=("objection_id",),
    event_field="filed_on",
    immutable=("target_type_code", "target_id", "filed_on"),
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
        Field(
            "source_class_code",
            "code",
            "数据来源类别",
            "whose data is disputed; decides the limit",
            codes=("own", "other", "complex"),
        ),
        Field("review_filed_on", "date", "申请复核日期", "review asked for on"),
        Field("review_decided_on", "date", "复核办结日期", "review decided on"),
        Field("review_outcome_code", "code", "复核结果", "outcome of the review", codes=("upheld", "rejected")),
        Field("reviewer_code", "text", "复核经办人代号", "who reviewed", personal=True),
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
        RowRule(
            "DECIDED_BY_ORIGINAL_OFFICER",
            "decider_code",
            "复核人与原经办人为同一人，须另行指定复核人后重新报送",
            "decided by the original officer: the decision has no effect; name another and send the row again",
            lambda row: (
                row["outcome_code"].is_in(["upheld", "rejected"])
                & (row["decider_code"] == row["original_officer_code"])
            ),
        ),
        RowRule(
            "DECIDER_UNKNOWN",
            "decider_code",
            "已有结论但未注明复核人和原经办人",
            "decided, but not by whom or on whose work: that they differ cannot be seen",
            lambda row: (
                row["outcome_code"].is_in(["upheld", "rejected"])
                & (row["decider_code"].is_null() | row["original_officer_code"].is_null())
            ),
        ),
        RowRule(
            "REVIEWED_BY_EARLIER_OFFICER",
            "reviewer_code",
            "复核经办人曾经办或决定该异议",
            "reviewed by who decided it or had worked on it before",
            lambda row: (
                (row["reviewer_code"] == row["decider_code"]) | (row["reviewer_code"] == row["original_officer_code"])
            ),
        ),
        RowRule(
            "REVIEW_BEFORE_DECISION",
            "review_filed_on",
            "申请复核早于办结",
            "a review was asked for before the decision",
            lambda row: row["review_filed_on"] < row["decided_on"],
        ),
        RowRule(
            "REVIEWED_WITHOUT_DATE",
            "review_decided_on",
            "已有复核结论但无复核日期",
            "reviewed, but the date is missing",
            lambda row: row["review_outcome_code"].is_not_null() & row["review_decided_on"].is_null(),
        ),
    ),
)

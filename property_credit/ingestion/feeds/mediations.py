"""人民调解: mediation agreements."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="mediations",
    title_zh="调解",
    title_en="mediation agreements",
    max_age_days=35,
    is_scored=True,
    key=("mediation_id",),
    event_field="agreed_on",
    fields=(
        Field("mediation_id", "text", "调解编号", "mediation", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field("topic_code", "code", "纠纷类别", "topic", codes=("fees", "service", "facilities", "funds", "other")),
        Field("agreed_on", "date", "达成协议日期", "agreed on"),
        Field("due_on", "date", "约定履行期限", "due on", may_be_future=True),
        Field("performed_on", "date", "履行日期", "performed on"),
        Field(
            "outcome_code",
            "code",
            "履行结果",
            "outcome",
            required=True,
            codes=("pending", "performed", "breached", "failed"),
        ),
        Field("level_code", "code", "调解层级", "level", codes=("community", "street", "district")),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "PERFORMED_BEFORE_AGREED",
            "performed_on",
            "履行早于协议",
            "performed before it was agreed",
            lambda row: row["performed_on"] < row["agreed_on"],
        ),
        RowRule(
            "PERFORMED_WITHOUT_DATE",
            "performed_on",
            "已履行但无履行日期",
            "performed, but the date is missing",
            lambda row: (row["outcome_code"] == "performed") & row["performed_on"].is_null(),
        ),
    ),
)

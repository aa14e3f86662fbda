"""数据报送: what an enterprise had to report, when it did, and what spot checks found."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="reporting_records",
    title_zh="数据报送",
    title_en="data that enterprises had to report",
    max_age_days=35,
    is_scored=True,
    key=("report_id",),
    event_field="due_on",
    immutable=("report_type_code", "period_start_on"),
    fields=(
        Field("report_id", "text", "报送编号", "report", required=True),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field(
            "report_type_code",
            "code",
            "报送类别",
            "kind of report",
            required=True,
            codes=("enterprise", "projects", "staff", "finance", "safety", "other"),
        ),
        Field("period_start_on", "date", "所属期起", "first day of the period", required=True),
        Field("due_on", "date", "报送期限", "due on", required=True, may_be_future=True),
        Field("submitted_on", "date", "报送日期", "reported on"),
        Field("checked_item_count", "integer", "抽查项数", "items spot-checked", minimum=0),
        Field("wrong_item_count", "integer", "差错项数", "items found wrong", minimum=0),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "WRONG_MORE_THAN_CHECKED",
            "wrong_item_count",
            "差错项数大于抽查项数",
            "more items wrong than were checked",
            lambda row: row["wrong_item_count"] > row["checked_item_count"],
        ),
        RowRule(
            "SUBMITTED_BEFORE_PERIOD",
            "submitted_on",
            "报送早于所属期",
            "reported before the period began",
            lambda row: row["submitted_on"] < row["period_start_on"],
        ),
    ),
)

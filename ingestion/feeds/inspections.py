"""检查与整改: inspections, one line a finding and one summary line."""

from ingestion.contract import LONG_TEXT, Feed, Field, RowRule

FEED = Feed(
    name="inspections",
    title_zh="检查与整改",
    title_en="inspections, one line a finding and one summary line",
    key=("inspection_id", "line_code"),
    event_field="inspected_on",
    fields=(
        Field("inspection_id", "text", "检查编号", "inspection", required=True),
        Field("line_code", "text", "行号", "line: TOTAL, or one a finding", required=True),
        Field("line_type_code", "code", "行类型", "kind of line", required=True, codes=("summary", "finding")),
        Field("community_id", "text", "小区编码", "community", references="communities"),
        Field("uscc", "uscc", "统一社会信用代码", "unified social credit code", references="enterprises"),
        Field("object_id", "text", "被检对象编号", "what was inspected, by the office's own number"),
        Field("inspected_on", "date", "检查日期", "inspected on", required=True),
        Field(
            "authority_code",
            "code",
            "检查部门",
            "authority",
            codes=("housing", "fire", "market", "urban_management", "police", "other"),
        ),
        Field(
            "inspection_type_code",
            "code",
            "检查类型",
            "kind of inspection",
            codes=("random", "targeted", "complaint", "routine", "other"),
        ),
        Field("checked_item_count", "integer", "检查项数", "items checked", minimum=0),
        Field("failed_item_count", "integer", "不合格项数", "items failed", minimum=0),
        Field("overall_score", "decimal", "得分", "overall score", precision=6, minimum=0, maximum=1_000),
        Field("item_name", "text", "检查事项", "item", maximum_length=2_000),
        Field("severity_code", "code", "严重程度", "severity", codes=("minor", "general", "serious")),
        Field("is_hazard", "boolean", "是否安全隐患", "is a hazard"),
        Field("finding", "text", "问题描述", "finding", maximum_length=LONG_TEXT),
        Field("order_due_on", "date", "整改期限", "to be put right by", may_be_future=True),
        Field("rectified_on", "date", "整改完成日期", "put right on"),
        Field("is_confirmed", "boolean", "是否查实", "confirmed"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "FAILED_MORE_THAN_CHECKED",
            "failed_item_count",
            "不合格项数大于检查项数",
            "more items failed than were checked",
            lambda row: row["failed_item_count"] > row["checked_item_count"],
        ),
        RowRule(
            "RECTIFIED_BEFORE_INSPECTED",
            "rectified_on",
            "整改早于检查",
            "put right before it was found",
            lambda row: row["rectified_on"] < row["inspected_on"],
        ),
        RowRule(
            "ORDER_DUE_BEFORE_INSPECTED",
            "order_due_on",
            "整改期限早于检查",
            "due before it was found",
            lambda row: row["order_due_on"] < row["inspected_on"],
        ),
    ),
)

"""公共信用记录: public credit records."""

from ingestion.contract import LONG_TEXT, Feed, Field, RowRule

FEED = Feed(
    name="public_credit",
    title_zh="公共信用记录",
    title_en="public credit records",
    key=("record_id",),
    event_field="decided_on",
    fields=(
        Field("record_id", "text", "记录编号", "record", required=True),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field(
            "record_type_code",
            "code",
            "记录类型",
            "kind of record",
            required=True,
            codes=(
                "penalty",
                "serious_dishonesty",
                "fund_procedure",
                "fund_misuse",
                "overcharging",
                "abandonment",
                "accident",
                "fatal_accident",
                "fraud",
                "coercive_collection",
                "inspection_refusal",
                "judgment",
                "wage_arrears",
                "commendation",
            ),
        ),
        Field("tier_code", "code", "失信等级", "tier", codes=("minor", "general", "serious")),
        Field("community_id", "text", "小区编码", "community", references="communities"),
        Field("decided_on", "date", "决定日期", "decided on", required=True),
        Field("authority_name", "text", "决定机关", "authority", maximum_length=500),
        Field("legal_basis", "text", "法律依据", "legal basis", maximum_length=2_000),
        Field("decision_no", "text", "决定文书号", "decision"),
        Field("served_on", "date", "送达日期", "served on"),
        Field("is_final", "boolean", "是否生效", "final", required=True),
        Field("shown_from", "date", "公示起始日", "shown from", may_be_future=True),
        Field("ended_on", "date", "结束日期", "ended on", may_be_future=True),
        Field("repaired_on", "date", "信用修复日期", "repaired on"),
        Field("revoked_on", "date", "撤销日期", "revoked on"),
        Field("amount", "decimal", "金额", "amount"),
        Field("summary", "text", "摘要", "summary", maximum_length=LONG_TEXT),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "SERVED_BEFORE_DECIDED",
            "served_on",
            "送达早于决定",
            "served before it was decided",
            lambda row: row["served_on"] < row["decided_on"],
        ),
        RowRule(
            "REPAIRED_BEFORE_DECIDED",
            "repaired_on",
            "修复早于决定",
            "repaired before it was decided",
            lambda row: row["repaired_on"] < row["decided_on"],
        ),
        RowRule(
            "REVOKED_BEFORE_DECIDED",
            "revoked_on",
            "撤销早于决定",
            "revoked before it was decided",
            lambda row: row["revoked_on"] < row["decided_on"],
        ),
    ),
)

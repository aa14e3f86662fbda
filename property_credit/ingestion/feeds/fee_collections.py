"""物业费收缴: what owners of a community owed and paid in a quarter, why not, and how arrears were pursued."""

from property_credit.ingestion.contract import Feed, Field, RowRule

REASONS = ("service", "quality", "vacant", "hardship", "other")

FEED = Feed(
    name="fee_collections",
    title_zh="物业费收缴",
    title_en="fees collected, arrears and how they are pursued",
    max_age_days=120,
    key=("community_id", "uscc", "period_start_on"),
    event_field="period_start_on",
    fields=(
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field("period_start_on", "date", "所属季度起", "first day of the quarter", required=True),
        Field("receivable_amount", "decimal", "应收金额", "fees due, CNY", required=True, minimum=0),
        Field("received_amount", "decimal", "实收金额", "fees received, CNY", required=True, minimum=0),
        Field("household_count", "integer", "应缴户数", "households that owe fees", required=True, minimum=0),
        Field("owing_household_count", "integer", "欠费户数", "households in arrears", required=True, minimum=0),
        Field("reminded_count", "integer", "催告户数", "households reminded in writing", minimum=0),
        Field("mediated_count", "integer", "调解户数", "households in mediation", minimum=0),
        Field("arbitrated_count", "integer", "仲裁户数", "households in arbitration", minimum=0),
        Field("sued_count", "integer", "诉讼户数", "households sued", minimum=0),
        Field("unpaid_service_amount", "decimal", "因服务争议未缴", "unpaid over the service, CNY", minimum=0),
        Field("unpaid_quality_amount", "decimal", "因房屋质量未缴", "unpaid over building faults, CNY", minimum=0),
        Field("unpaid_vacant_amount", "decimal", "因空置未缴", "unpaid for empty homes, CNY", minimum=0),
        Field("unpaid_hardship_amount", "decimal", "因困难未缴", "unpaid out of hardship, CNY", minimum=0),
        Field("unpaid_other_amount", "decimal", "其他原因未缴", "unpaid for other reasons, CNY", minimum=0),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "OWING_MORE_THAN_HOUSEHOLDS",
            "owing_household_count",
            "欠费户数多于应缴户数",
            "more in arrears than owe fees",
            lambda row: row["owing_household_count"] > row["household_count"],
        ),
        RowRule(
            "REASONS_EXCEED_ARREARS",
            "unpaid_other_amount",
            "各原因未缴之和大于欠费",
            "the reasons add up to more than the arrears",
            lambda row: (
                (
                    sum(row[f"unpaid_{reason}_amount"].fill_null(0) for reason in REASONS)
                    > row["receivable_amount"] - row["received_amount"] + 0.01
                )
                & (row["receivable_amount"] >= row["received_amount"])
            ),
        ),
    ),
)

"""退出交接: what an outgoing manager had to hand over, by when, and whether it was all there."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="handovers",
    title_zh="退出交接",
    title_en="handovers by outgoing managers",
    max_age_days=35,
    is_scored=True,
    key=("handover_id",),
    event_field="due_on",
    immutable=("contract_id",),
    fields=(
        Field("handover_id", "text", "交接编号", "handover", required=True),
        Field("contract_id", "text", "合同编号", "contract that ended", references="contracts"),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field(
            "uscc",
            "uscc",
            "移交单位信用代码",
            "who has to hand over: unified social credit code",
            required=True,
            references="enterprises",
        ),
        Field("due_on", "date", "应交接日期", "to be handed over by", required=True, may_be_future=True),
        Field("completed_on", "date", "完成交接日期", "handed over on"),
        Field("are_documents_complete", "boolean", "资料齐全", "documents complete"),
        Field("are_facilities_complete", "boolean", "设施设备完好", "facilities handed over"),
        Field("are_accounts_complete", "boolean", "账目结清", "accounts settled"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
        Field("is_street_present", "boolean", "街道到场见证", "street present at the handover"),
    ),
    rules=(
        RowRule(
            "COMPLETE_WITHOUT_DATE",
            "completed_on",
            "三项均已交接但无完成日期",
            "everything was handed over, but the date is missing",
            lambda row: (
                row["are_documents_complete"]
                & row["are_facilities_complete"]
                & row["are_accounts_complete"]
                & row["completed_on"].is_null()
            ),
        ),
    ),
)

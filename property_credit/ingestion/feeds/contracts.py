"""物业服务合同: service contracts: who manages which community and when."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="contracts",
    title_zh="合同备案",
    title_en="service contracts: who manages which community and when",
    max_age_days=35,
    is_scored=True,
    key=("contract_id",),
    event_field="starts_on",
    ends_field="ended_on",
    ends_cause_field="end_reason_code",
    fields=(
        Field("contract_id", "text", "合同编号", "contract", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field("starts_on", "date", "合同起始日", "starts on", required=True, may_be_future=True),
        Field("ends_on", "date", "合同到期日", "ends on", may_be_future=True),
        Field("ended_on", "date", "实际终止日", "really ended on"),
        Field(
            "end_reason_code",
            "code",
            "终止原因",
            "why it ended",
            codes=("expired", "dismissed_for_cause", "left_with_notice", "left_without_notice", "mutual"),
        ),
        Field("notice_given_on", "date", "书面告知日期", "notice given on"),
        Field("filed_on", "date", "备案日期", "filed on"),
        Field("is_filing_complete", "boolean", "备案材料是否齐全", "filing complete"),
        Field("service_standard_edition", "text", "服务标准版本", "edition of the service standard"),
        Field("service_level", "text", "服务等级", "contracted level"),
        Field("is_takeover", "boolean", "是否承接接管", "take-over of an abandoned or old community"),
        Field("takeover_certified_on", "date", "接管认定日期", "take-over certified on"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
        Field("street_informed_on", "date", "告知街道日期", "street informed of the exit on"),
        Field("effective_on", "date", "变更生效日期", "these values hold from", may_be_future=True, is_later=True),
        Field(
            "change_code",
            "code",
            "变更性质",
            "a change, or a correction",
            codes=("change", "correction"),
            is_later=True,
        ),
    ),
    rules=(
        RowRule(
            "ENDS_BEFORE_START",
            "ends_on",
            "到期日早于起始日",
            "ends before it starts",
            lambda row: row["ends_on"] < row["starts_on"],
        ),
        RowRule(
            "ENDED_BEFORE_START",
            "ended_on",
            "终止日早于起始日",
            "ended before it started",
            lambda row: row["ended_on"] < row["starts_on"],
        ),
        RowRule(
            "END_REASON_WITHOUT_END",
            "ended_on",
            "有终止原因但无终止日",
            "a reason for the end but no end",
            lambda row: row["end_reason_code"].is_not_null() & row["ended_on"].is_null(),
        ),
    ),
)

"""物业服务企业选聘: how a manager was chosen for a community: by tender, or by agreement with approval."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="tenders",
    title_zh="物业选聘",
    title_en="how managers of communities are chosen",
    max_age_days=100,
    key=("tender_id",),
    event_field="announced_on",
    fields=(
        Field("tender_id", "text", "选聘编号", "tender", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field("stage_code", "code", "选聘阶段", "stage of management", required=True, codes=("early", "later")),
        Field(
            "method_code",
            "code",
            "选聘方式",
            "way of choosing",
            required=True,
            codes=("open_tender", "invited_tender", "agreement"),
        ),
        Field("announced_on", "date", "公告日期", "announced on", required=True),
        Field("opened_on", "date", "开标日期", "bids opened on", may_be_future=True),
        Field("awarded_on", "date", "定标日期", "awarded on"),
        Field("uscc", "uscc", "中选企业信用代码", "who was chosen", references="enterprises"),
        Field("approved_on", "date", "主管部门批准日期", "approved by the housing department on"),
        Field("approval_no", "text", "批准文号", "number of the approval"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "OPENED_BEFORE_ANNOUNCED",
            "opened_on",
            "开标早于公告",
            "opened before it was announced",
            lambda row: row["opened_on"] < row["announced_on"],
        ),
        RowRule(
            "AWARDED_BEFORE_OPENED",
            "awarded_on",
            "定标早于开标",
            "awarded before the bids were opened",
            lambda row: row["awarded_on"] < row["opened_on"],
        ),
        RowRule(
            "AWARDED_TO_NOBODY",
            "uscc",
            "已定标但无中选企业",
            "awarded, but nobody is named",
            lambda row: row["awarded_on"].is_not_null() & row["uscc"].is_null(),
        ),
    ),
)

"""关联方名录: who is related to a manager; names never leave raw, payments to them are matched by a keyed hash."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="related_parties",
    title_zh="关联方名录",
    title_en="related parties of managers",
    max_age_days=35,
    is_scored=True,
    key=("relation_id",),
    event_field="valid_from",
    ends_field="valid_to",
    person=("party_name",),
    is_party=True,
    fields=(
        Field("relation_id", "text", "关联编号", "relation", required=True),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field("party_name", "text", "关联方名称", "related party", required=True, personal=True, maximum_length=500),
        Field(
            "relation_code",
            "code",
            "关联关系",
            "kind of relation",
            required=True,
            codes=("shareholder", "subsidiary", "same_controller", "executive", "family"),
        ),
        Field("valid_from", "date", "关联起始日", "related from"),
        Field("valid_to", "date", "关联终止日", "related until", may_be_future=True),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "ENDS_BEFORE_START",
            "valid_to",
            "终止早于起始",
            "ends before it starts",
            lambda row: row["valid_to"] < row["valid_from"],
        ),
    ),
)

"""投标与评分: who bid for a community, with which price and scores."""

from property_credit.ingestion.contract import Feed, Field, RowRule

_PARTS = ("technical_score", "business_score", "credit_score")

FEED = Feed(
    name="tender_bids",
    title_zh="投标评分",
    title_en="bids and their scores",
    max_age_days=100,
    key=("tender_id", "uscc"),
    event_field="scored_on",
    fields=(
        Field("tender_id", "text", "选聘编号", "tender", required=True, references="tenders"),
        Field("uscc", "uscc", "投标人信用代码", "unified social credit code", required=True, references="enterprises"),
        Field("scored_on", "date", "评标日期", "scored on", required=True),
        Field("price_per_m2", "decimal", "报价（元/㎡·月）", "price a month, CNY per m²", minimum=0),
        Field("is_valid", "boolean", "有效投标", "a valid bid", required=True),
        Field("technical_score", "decimal", "技术得分", "technical score", minimum=0, maximum=100),
        Field("business_score", "decimal", "商务得分", "business score", minimum=0, maximum=100),
        Field("credit_score", "decimal", "信用得分", "score given for credit", minimum=0, maximum=100),
        Field("total_score", "decimal", "总得分", "total score", minimum=0, maximum=100),
        Field("claimed_grade", "text", "申报信用等级", "grade that the bid claims", maximum_length=10),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "VALID_WITHOUT_SCORE",
            "total_score",
            "有效投标无总得分",
            "a valid bid without a total score",
            lambda row: row["is_valid"] & row["total_score"].is_null(),
        ),
        RowRule(
            "SCORES_DO_NOT_ADD_UP",
            "total_score",
            "分项得分之和不等于总得分",
            "the parts do not add up to the total",
            lambda row: (sum(row[part] for part in _PARTS) - row["total_score"]).abs() > 0.01,
        ),
    ),
)

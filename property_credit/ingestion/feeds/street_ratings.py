"""街道社区履约评价: how streets and communities rate the service in a residential community."""

from property_credit.ingestion.contract import Feed, Field

FEED = Feed(
    name="street_ratings",
    title_zh="街道社区履约评价",
    title_en="ratings by streets and communities",
    max_age_days=100,
    is_scored=True,
    key=("rating_id",),
    event_field="rated_on",
    immutable=("rater_code", "rated_on"),
    fields=(
        Field("rating_id", "text", "评价编号", "rating", required=True),
        Field("rater_code", "text", "评价单位编码", "who rated: an office, never a person", required=True),
        Field(
            "rater_level_code", "code", "评价单位层级", "level of the rater", required=True,
            codes=("street", "community"),
        ),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field("uscc", "uscc", "统一社会信用代码", "unified social credit code", references="enterprises"),
        Field("rated_on", "date", "评价日期", "rated on", required=True),
        Field(
            "rating_score", "decimal", "评价得分", "score", required=True, precision=5, minimum=0, maximum=100
        ),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
)  # fmt: skip

"""业主表决: votes of the owners on using or raising the maintenance fund, counted by heads and by area."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="fund_votes",
    title_zh="维修资金业主表决",
    title_en="votes of the owners on the maintenance fund",
    max_age_days=35,
    is_scored=True,
    key=("vote_id",),
    event_field="decided_on",
    immutable=("purpose_code", "decided_on"),
    fields=(
        Field("vote_id", "text", "表决编号", "vote", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field("purpose_code", "code", "表决事项", "what it was about", required=True, codes=("use", "raise")),
        Field("decided_on", "date", "表决日期", "decided on", required=True),
        Field("owner_count", "integer", "应参加业主人数", "owners entitled to vote", required=True, minimum=1),
        Field("owner_area_m2", "decimal", "应参加专有面积", "their exclusive area, m²", required=True, minimum=0),
        Field("voting_owner_count", "integer", "参与表决人数", "owners who took part", required=True, minimum=0),
        Field("voting_area_m2", "decimal", "参与表决面积", "their area, m²", required=True, minimum=0),
        Field("approving_owner_count", "integer", "同意人数", "owners in favour", required=True, minimum=0),
        Field("approving_area_m2", "decimal", "同意面积", "their area, m²", required=True, minimum=0),
        Field("approved_amount", "decimal", "同意使用金额", "amount approved", minimum=0),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "MORE_VOTES_THAN_OWNERS",
            "voting_owner_count",
            "参与表决多于应参加",
            "more took part than there are owners",
            lambda row: (
                (row["voting_owner_count"] > row["owner_count"]) | (row["voting_area_m2"] > row["owner_area_m2"])
            ),
        ),
        RowRule(
            "MORE_IN_FAVOUR_THAN_VOTED",
            "approving_owner_count",
            "同意多于参与表决",
            "more were in favour than took part",
            lambda row: (
                (row["approving_owner_count"] > row["voting_owner_count"])
                | (row["approving_area_m2"] > row["voting_area_m2"])
            ),
        ),
    ),
)

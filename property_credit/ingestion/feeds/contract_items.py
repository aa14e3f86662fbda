"""合同服务事项: the menu of a contract: each service, its level and price, and whether it is charged beside."""

from property_credit.ingestion.contract import Feed, Field

FEED = Feed(
    name="contract_items",
    title_zh="合同服务事项",
    title_en="services that a contract names, with their fees",
    max_age_days=100,
    key=("contract_id", "line_no"),
    event_field="agreed_on",
    leaves=True,
    fields=(
        Field("contract_id", "text", "合同编号", "contract", required=True, references="contracts"),
        Field("line_no", "text", "序次", "line of the menu", required=True),
        Field(
            "item_code",
            "code",
            "服务事项",
            "service",
            required=True,
            codes=("general", "cleaning", "security", "greening", "facilities", "lift", "parking", "home", "other"),
        ),
        Field("agreed_on", "date", "约定日期", "agreed on", required=True, may_be_future=True),
        Field("service_level", "text", "服务等级", "level agreed"),
        Field("fee_per_m2", "decimal", "单项收费（元/㎡·月）", "its fee a month, CNY per m²", required=True, minimum=0),
        Field("is_extra", "boolean", "另行收费", "charged beside the fee", required=True),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
)

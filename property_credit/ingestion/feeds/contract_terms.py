"""合同约定: by which template a contract was made, how far it departs from it, and what fee it agrees on."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="contract_terms",
    title_zh="合同约定",
    title_en="templates and fees of contracts",
    max_age_days=100,
    key=("contract_id",),
    event_field="registered_on",
    leaves=True,
    fields=(
        Field("contract_id", "text", "合同编号", "contract", required=True, references="contracts"),
        Field("registered_on", "date", "登记日期", "registered on", required=True),
        Field("template_code", "code", "合同文本", "text of the contract", required=True, codes=("model", "own")),
        Field("template_version", "text", "示范文本版本", "version of the model text", maximum_length=50),
        Field("deviation_count", "integer", "偏离条款数", "clauses that depart from the model text", minimum=0),
        Field("fee_per_m2", "decimal", "物业费（元/㎡·月）", "fee a month, CNY per m²", required=True, minimum=0),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "MODEL_WITHOUT_VERSION",
            "template_version",
            "采用示范文本但未注明版本",
            "by the model text, but of no version",
            lambda row: (row["template_code"] == "model") & row["template_version"].is_null(),
        ),
    ),
)

"""The shapes of the API's answers, described for people and programs in Chinese and English."""

from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, Field

EXAMPLE_USCC = "91350100M000100Y43"


class DataAge(BaseModel):
    """How old what is served is."""

    business_date: date = Field(description="数据截止日 – the night that computed what is published.")
    published_at: datetime = Field(description="发布时间 – when it was published.")
    publication_id: int = Field(description="发布批次 – 1, 2, 3 … without gaps.")
    method_version: str = Field(description="方法版本 – the grading method of that night.")
    nights_behind: int = Field(description="滞后夜数 – closed days since the business date; 0 is up to date.", ge=0)
    is_invented: bool = Field(
        description="虚构 – true in a sandbox tenant: nobody has these grades; the header Data-Invented says so too."
    )


class Answer(BaseModel):
    """What every answer says beside its content."""

    as_of: date = Field(description="基准日 – the day the answer is for: the one asked for, or today.")
    data: DataAge


class Reason(BaseModel):
    """Why there is no grade."""

    code: str
    zh: str
    en: str


class Decision(BaseModel):
    """A final decision behind 严重失信."""

    record_id: str = Field(description="记录编号")
    basis: str | None = Field(description="法律依据 – legal basis.")
    authority_name: str | None = Field(description="认定机关 – who decided.")
    decision_no: str | None = Field(description="文号 – number of the decision.")
    starts_on: date | None = Field(description="起始日")
    ends_on: date | None = Field(description="届满日; null: until cured.")


class Notice(BaseModel):
    """A state that stands beside the grade: objection_open 异议处理中 · takeover_protection 接管保护期 ·
    evaluation_refused 未按规定参评."""

    code: str
    zh: str
    en: str
    since: date
    until: date | None


class Correction(BaseModel):
    """What brought a correction about; never which record, because that is not shown any more."""

    code: str = Field(description="objection_upheld 异议成立 · repair 信用修复 · revocation 撤销 · recomputed 重算")
    zh: str
    en: str
    decided_on: date | None


class Superseded(BaseModel):
    """The version that this one replaces."""

    version_no: int
    grade: str | None
    status_code: str
    valid_from: date


class Grade(BaseModel):
    """One published grade version. A department's key gets its own choice of these fields."""

    uscc: str = Field(description="统一社会信用代码", examples=[EXAMPLE_USCC])
    enterprise_name: str | None = Field(default=None, description="企业名称")
    former_names: list[str] | None = Field(
        default=None, description="曾用名 – names that earlier versions were published under, oldest first."
    )
    grade: str | None = Field(default=None, description="信用等级; null when the status stands for a grade.")
    status_code: str | None = Field(default=None, description="rated · not_rated · serious_dishonesty")
    status_zh: str | None = Field(default=None, description="已评级 · 暂不评级 · 严重失信")
    method_version: str | None = Field(default=None, description="方法版本", examples=["2026.1"])
    valid_from: date | None = Field(default=None, description="生效日 – first day it binds.")
    valid_to: date | None = Field(
        default=None, description="失效日 – first day it no longer binds; null while it stands."
    )
    version_no: int | None = Field(default=None, description="该企业的第几个版本 – 1, 2, 3 … per enterprise.")
    is_correction: bool | None = Field(default=None, description="更正 – corrects the version that it supersedes.")
    correction: Correction | None = Field(default=None, description="更正原因")
    supersedes: Superseded | None = Field(default=None, description="被替代的版本")
    reasons: list[Reason] | None = Field(default=None, description="暂不评级原因")
    basis: list[Decision] | None = Field(default=None, description="严重失信依据")
    notices: list[Notice] | None = Field(default=None, description="异议处理中、接管保护期、未按规定参评")
    reply: str | None = Field(default=None, description="企业声明 – right of reply.", max_length=200)


class OneGrade(Answer):
    """A grade and the age of the data."""

    grade: Grade


class GradePage(Answer):
    """A page of grades by credit code, and the age of the data."""

    grades: list[Grade]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last one.")


class Bidder(BaseModel):
    """Who bid, and the grade that bound when the bids were opened."""

    uscc: str = Field(description="投标人统一社会信用代码", examples=[EXAMPLE_USCC])
    is_valid: bool = Field(description="有效投标 – a valid bid.")
    is_chosen: bool = Field(description="中选 – who was chosen.")
    claimed_grade: str | None = Field(description="申报等级 – the grade that the bid claims.")
    is_claim_true: bool | None = Field(
        description="申报与公布是否一致 – null: nothing was claimed, or no grade was published then."
    )
    grade: Grade | None = Field(description="开标日公布等级 – null: none was published by the opening.")


class Tender(BaseModel):
    """A tender whose bids are open."""

    tender_id: str = Field(description="选聘编号")
    community_id: str = Field(description="小区编码")
    opened_on: date = Field(description="开标日期")
    awarded_on: date | None = Field(description="定标日期; null: nobody was chosen yet.")
    bidders: list[Bidder]


class OneTender(Answer):
    """A tender, as of the day its bids were opened."""

    tender: Tender


class Departure(BaseModel):
    """An enterprise that serves in a regulator's region no more."""

    uscc: str
    left_on: date = Field(description="不再服务之日 – first day it does not serve there.")


class ChangePage(Answer):
    """Versions in the order they were published, and where to go on."""

    changes: list[Grade]
    departures: list[Departure] = Field(
        description="不再服务 – for a regulator: enterprises that serve in its region no more, in the same order."
    )
    next_since: str | None = Field(description="Pass it as `since` next time, also when nothing is left now.")
    has_more: bool = Field(description="还有更多 – whether a further page is there already.")


class EnterpriseDetail(Answer):
    """Everything an enterprise and its regulators see of a grade."""

    grade: Grade
    detail: dict[str, Any] = Field(
        description="得分、各指标得分与理由、封顶、下期名单预告、最早可修复日 – points, reasons, caps, the preview of "
        "the next list, what would raise the grade and the earliest repair date of each record."
    )
    region_codes: list[str] = Field(description="服务区划 – divisions it serves in, those above included.")


class ListNames(Answer):
    """Published documents, newest first."""

    lists: list[dict[str, Any]]


class SignedList(Answer):
    """A published list: check it offline with `property-credit verify`."""

    document: dict[str, Any] = Field(description="名单 – canonical JSON (RFC 8785) of this object is what is signed.")
    signature: dict[str, str] = Field(description="Ed25519")
    tree_head: dict[str, Any] = Field(description="日志根 – signed head of the log after this list (RFC 9162).")
    keys: list[dict[str, Any]] = Field(description="公钥与轮换声明 – public keys and how each follows the one before.")
    roots: list[dict[str, Any]] = Field(description="根文件 – which key signs, which signed before and how far.")
    later: list[str] = Field(
        description="此后更正 – later documents of the quarter, and later ones that correct an entry; "
        "a list itself never changes."
    )


class TreeHeads(Answer):
    """Signed heads of the log, oldest first."""

    heads: list[dict[str, Any]]
    next_after: int | None


class Proof(Answer):
    """A proof of the log with its signed heads: check it offline with `property-credit verify`."""

    format: str
    proof: dict[str, Any]
    keys: list[dict[str, Any]]
    roots: list[dict[str, Any]]


class Certificate(Answer):
    """What was in force on a day, with its proof: check it offline with `property-credit verify`."""

    format: str
    enterprises: list[dict[str, Any]] = Field(
        description="各企业 – of each: `history` [[version, first day, leaf hash], …] with `map_proof`, the `entry` in "
        "force (null: none), its `leaf_index` and `proof`, and the entry it `supersedes`."
    )
    tree_head: dict[str, Any] = Field(description="日志根 – the signed head that all proofs lead to.")
    keys: list[dict[str, Any]]
    roots: list[dict[str, Any]]


class Manifest(Answer):
    """The files of a list with their hashes: check them offline with `property-credit verify --data FILE`."""

    manifest: dict[str, Any] = Field(description="文件清单 – name, media type, size and SHA-256 of each file.")
    tree_head: dict[str, Any] = Field(description="日志根 – the signed head; it holds the manifest's SHA-256.")
    keys: list[dict[str, Any]]
    roots: list[dict[str, Any]]


class MethodDocument(Answer):
    """The method of a version, as grades were computed with it."""

    method_version: str
    content_sha256: str
    document: dict[str, Any]


class PublicKeys(BaseModel):
    """Public keys that sign lists, tree heads and deliveries."""

    keys: list[dict[str, Any]] = Field(description="公钥 – each with its status: signing, past or revoked.")
    roots: list[dict[str, Any]] = Field(description="根文件 – the root documents, first to newest: keep the newest.")
    as_of: date | None
    data: DataAge | None


class Health(BaseModel):
    """Whether the service answers and what it serves."""

    status: str = Field(examples=["ok"])
    as_of: date | None
    data: DataAge | None = Field(description="null until something is published.")

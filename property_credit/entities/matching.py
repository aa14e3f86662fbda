"""Who is meant: names as offices write them against the register, in columns.

Owns the three outcomes: ``linked`` (one entity, surely enough to act on), ``waiting`` (a person chooses among the
candidates) and ``none``. First the register's own words (equal forms), then scored candidates of the same
division. Must not know where mentions come from nor where links go. docs/matching.md tells the rules and the
figures.
"""

from typing import Literal

import polars

from property_credit.entities import comparison, names
from property_credit.entities.model import Model, load
from property_credit.entities.names import EntityType

Outcome = Literal["linked", "waiting", "none"]

LEAST_ALIKE = 0.4  # of cores that have nothing else in common
LEAST_NAMED = 3  # characters of a name that is read out of a text
SHOWN = 3  # candidates of a waiting name
CHUNK = 25_000  # distinct mentions at a time: memory does not grow with their number
TOLD = {"name": polars.String, "division": polars.String, "street": polars.String}
# only these are linked without a person, whatever the score: what is further away was right in half of the cases
LINKABLE = (
    "form",
    "words",
    "core",
    "prefix_missing",
    "doubled",
    "sound",
    "shape",
    "swapped",
    "kind_missing",
    "one_missing",
)
SAME_WORDS = ("form", "words", "core")  # what is only spelt like them is no rival of them
SLIPS = ("doubled", "sound", "shape", "swapped", "one_missing", "one_wrong", "kind_differs")
LIKENESS = {
    "form": "与登记名称一致", "words": "仅区划、街道、楼号不同", "core": "仅区划、“小区”“有限公司”等通用词不同",
    "prefix_missing": "仅开发企业或路名前缀不同", "doubled": "同一字多写或少写一次",
    "sound": "读音相同", "shape": "字形相近", "swapped": "相邻两字颠倒",
    "kind_missing": "缺“花园”“苑”等类别词", "one_missing": "差一字", "one_wrong": "一字不同",
    "kind_differs": "类别词不同", "contained": "一个名称包含另一个", "similar": "名称相近", "other": "部分文字相同",
}  # fmt: skip
DOUBTS = {  # why the best candidate is not linked; the first that holds is told
    "marks_differ": "期数、编号或方位不同", "place_differs": "名称中的地名不同", "elsewhere": "在其他区划",
    "branch": "一方为分支机构", "marks_unsaid": "只有一方写明期数、编号或方位", "several": "相同或相近的不止一个",
    "level": "名称差别较大", "weak": "把握不足",
}  # fmt: skip
NOTHING = "登记册中没有相近的名称"


def match(
    mentions: polars.DataFrame, register: polars.DataFrame, entity_type: EntityType, *, model: Model | None = None
) -> polars.DataFrame:
    """Say of each mention which entity of the register it means.

    ``mentions``: ``name``, and where known ``division`` and ``street`` (null or absent: nobody says; a division as
    the register writes it). ``register``: ``entity`` (any key) and one row for each of its names: ``name``,
    ``division``, ``street``. Returns a row for each mention, in order: ``outcome``; ``entity`` (null unless
    linked), ``score`` (0–1, of the best candidate), ``level`` (of ``comparison.LEVELS``), ``reason`` (in Chinese)
    and ``candidates`` (entity, name, score and reason of up to three, null where it is linked). ``model``: by
    default the one in the package. Memory grows with the distinct mentions, not with the pairs.

    >>> register = polars.DataFrame({"entity": [1, 2], "name": ["阳光花园一期", "阳光花园二期"]})
    >>> match(polars.DataFrame({"name": ["陽光花園（Ⅱ期）", "阳光花园"]}), register, "community")["outcome"].to_list()
    ['linked', 'waiting']
    """
    model = model or load(entity_type)
    written = _with_columns(mentions).select(list(TOLD))
    distinct = written.unique(maintain_order=True)
    known = (
        _with_columns(register)
        .select("entity", *TOLD)
        .filter(polars.col("name").is_not_null())
        .unique(maintain_order=True)
    )
    places = tuple(sorted(known["division"].drop_nulls().unique()))
    known = polars.concat(
        [known, names.normalized(known["name"], entity_type, places, divisions=known["division"], is_register=True)],
        how="horizontal",
    )
    index = comparison.Register(known)
    parts = [_matched(part, index, places, model) for part in distinct.iter_slices(CHUNK)]
    answers = polars.concat(parts or [_matched(distinct, index, places, model)])
    return written.join(answers, on=list(TOLD), how="left", nulls_equal=True, maintain_order="left").drop(list(TOLD))


def named_in(texts: polars.Series, register: polars.DataFrame) -> polars.Series:
    """Return for each text (an address, a letter's title) the name of the register that stands in it.

    ``texts``: null where there is none. ``register``: as in ``match``. The longest name of three characters and
    more counts; null where none stands in the text, or two that are not parts of one another.
    """
    plain = names.normalized(register["name"], "community").select("core", register["name"].alias("name"))
    plain = plain.filter(polars.col("core").str.len_chars() >= LEAST_NAMED).unique("core", maintain_order=True)
    if plain.height == 0:
        return polars.Series(texts.name, [None] * len(texts), dtype=polars.String)
    forms = names.plain(texts)
    frame = polars.DataFrame({"row": range(len(texts)), "text": forms}).with_columns(
        polars.col("text").str.extract_many(plain["core"].to_list(), overlapping=True).alias("core")
    )
    longest = (
        frame.select("row", "core").explode("core", empty_as_null=False).drop_nulls().unique(maintain_order=True)
        .sort("row", -polars.col("core").str.len_chars().cast(polars.Int32), maintain_order=True)
    )  # fmt: skip
    whole = longest.with_columns(polars.col("core").first().over("row").alias("whole"))
    whole = whole.with_columns(polars.col("whole").str.contains(polars.col("core"), literal=True).alias("is_part"))
    one = whole.group_by("row", maintain_order=True).agg(polars.col("whole").first(), polars.col("is_part").all())
    named = one.filter("is_part").join(plain, left_on="whole", right_on="core", how="left").select("row", "name")
    return frame.select("row").join(named, on="row", how="left", maintain_order="left")["name"].alias(texts.name)


def _with_columns(frame: polars.DataFrame) -> polars.DataFrame:
    missing = [polars.lit(None, kind).alias(name) for name, kind in TOLD.items() if name not in frame.columns]
    frame = frame.with_columns(missing)
    trimmed = [polars.col(name).cast(polars.String).str.strip_chars() for name in TOLD]
    return frame.with_columns(polars.when(text != "").then(text).name.keep() for text in trimmed)


def _matched(
    part: polars.DataFrame, index: comparison.Register, places: tuple[str, ...], model: Model
) -> polars.DataFrame:
    """Return the outcome of each of a chunk of distinct mentions, beside what they say."""
    normal = names.normalized(part["name"], model.entity_type, places, divisions=part["division"])
    mentions = polars.concat([part, normal], how="horizontal")
    mentions = mentions.with_row_index("mention")
    pairs = scored(index.pairs(mentions), mentions, index.known, model)
    decided = _decided(pairs, model)
    return (
        mentions.select("mention", *TOLD)
        .join(decided, on="mention", how="left")
        .drop("mention")
        .with_columns(polars.col("outcome").fill_null("none"), polars.col("reason").fill_null(NOTHING))
    )


def scored(
    pairs: polars.DataFrame, mentions: polars.DataFrame, known: polars.DataFrame, model: Model
) -> polars.DataFrame:
    """Return pairs of rows with both names, how they compare and ``score``, how likely they are one (0–1)."""
    ours = mentions[pairs["mention"].to_numpy()].drop("mention")  # both are numbered by row
    theirs = known[pairs["register_row"].to_numpy()].drop("register_row")
    theirs.columns = [f"{name}_known" for name in theirs.columns]
    pairs = polars.concat([pairs, ours, theirs], how="horizontal")
    pairs = comparison.features(comparison.compared(pairs), model.commonness("core_known"))
    return pairs.with_columns(model.probability(pairs).alias("score"))


def _decided(pairs: polars.DataFrame, model: Model) -> polars.DataFrame:
    """Return outcome, entity, score, level, reason and candidates of each mention that has candidates."""
    pairs = pairs.with_columns(doubt().alias("doubt"))
    is_other = (polars.col("level") == "other") & (
        polars.col("doubt").is_in(["marks_differ", "place_differs"]).fill_null(False)
        | (polars.col("similarity") < LEAST_ALIKE)
    )
    pairs = pairs.filter(~is_other)
    # what is said to differ stands behind everything that could be
    is_behind = polars.col("doubt").is_in(["marks_differ", "place_differs"]) & ~polars.col("level").is_in(list(SLIPS))
    pairs = pairs.sort("mention", is_behind, -polars.col("score"), -polars.col("similarity"), maintain_order=True)
    pairs = pairs.unique(["mention", "entity_known"], keep="first", maintain_order=True)
    place = polars.int_range(polars.len()).over("mention")
    pairs = pairs.with_columns(place.alias("place_in_order")).filter(
        polars.col("place_in_order") < comparison.CANDIDATES
    )
    log_odds = (polars.col("score") / (1 - polars.col("score"))).log()
    # what stands no chance, or says less than the best one, is no rival; 丽景小区 is one of 丽景小区一期
    is_more = (polars.col("doubt") == "marks_unsaid") & (polars.col("level") == "contained")
    is_more = is_more & (polars.col("core").str.len_chars() < polars.col("core_known").str.len_chars())
    is_rival = (
        polars.col("doubt").is_null()
        | is_more
        | ((polars.col("doubt") == "level") & polars.col("level").is_in(["one_wrong", "kind_differs"]))
    )
    # 家圆 is 家园 with one character wrong, and 嘉园 with two
    best_level, best_edits = (polars.col(name).first().over("mention") for name in ("level", "edits"))
    is_slip = polars.col("level").is_in(list(SLIPS))
    is_further = is_slip & (best_level.is_in(list(SAME_WORDS)) | (polars.col("edits") > best_edits))
    is_rival = is_rival & ~is_further
    rivals = (
        pairs.filter((polars.col("place_in_order") > 0) & is_rival.fill_null(False))
        .group_by("mention")
        .agg(
            log_odds.filter(~is_more.fill_null(False)).max().alias("next"),
            polars.col("level").is_in(["kind_missing", "contained"]).any().alias("is_short"),
            is_more.fill_null(False).any().alias("is_part"),
        )
    )
    best = pairs.filter(polars.col("place_in_order") == 0).join(rivals, on="mention", how="left")
    # 阳光 may be 阳光小区 and may be 阳光花园
    says_least = (polars.col("level") == "core") & (polars.col("words") == polars.col("core"))
    is_short = polars.col("is_short").fill_null(False) & says_least
    is_short |= polars.col("is_part").fill_null(False) & ~polars.col("level").is_in(["form", "words"])
    lead = (polars.col("score") / (1 - polars.col("score"))).log() - polars.col("next")
    best = best.with_columns(
        polars.when(polars.col("doubt").is_not_null()).then("doubt")
        .when((lead < model.margin) | is_short).then(polars.lit("several"))
        .when(polars.col("score") < model.linked_from).then(polars.lit("weak"))
        .alias("doubt")
    )  # fmt: skip
    best = best.with_columns(
        polars.when(polars.col("doubt").is_null()).then(polars.lit("linked"))
        .when(polars.col("score") >= model.asked_from).then(polars.lit("waiting"))
        .otherwise(polars.lit("none")).alias("outcome")
    )  # fmt: skip
    likeness = polars.col("level").replace_strict(LIKENESS, return_dtype=polars.String)
    doubts = polars.col("doubt").replace_strict(DOUBTS, default=None, return_dtype=polars.String)
    reason = polars.concat_str([likeness, doubts], separator="；", ignore_nulls=True)
    reason = polars.when(polars.col("outcome") == "none").then(polars.lit(NOTHING)).otherwise(reason)
    best = best.with_columns(reason.alias("reason"))
    shown = pairs.filter((polars.col("place_in_order") < SHOWN) & (polars.col("score") >= model.asked_from))
    shown = shown.join(best.filter(polars.col("outcome") == "waiting").select("mention"), on="mention", how="semi")
    candidates = shown.group_by("mention", maintain_order=True).agg(
        polars.struct(
            polars.col("entity_known").alias("entity"), polars.col("name_known").alias("name"), "score",
            polars.concat_str([likeness, doubts], separator="；", ignore_nulls=True).alias("reason"),
        ).alias("candidates")
    )  # fmt: skip
    entity = polars.when(polars.col("outcome") == "linked").then("entity_known").alias("entity")
    best = best.select("mention", "outcome", entity, "score", "level", "reason")
    return best.join(candidates, on="mention", how="left")


def doubt() -> polars.Expr:
    """Return why a pair is not linked whatever its score; null where the score decides."""
    is_other = polars.col("level") != "form"  # the same words say the same
    conditions = {
        "marks_differ": (polars.col("marks_agree") == "differ") & is_other,
        "place_differs": (polars.col("place_agrees") == "differ") & is_other,
        "elsewhere": polars.col("is_elsewhere"),
        "branch": polars.col("is_branch"),
        "marks_unsaid": (polars.col("marks_agree") == "unsaid") & is_other,
        "level": ~polars.col("level").is_in(list(LINKABLE)),
    }
    doubt = polars.lit(None, polars.String)
    for name, holds in reversed(conditions.items()):
        doubt = polars.when(holds).then(polars.lit(name)).otherwise(doubt)
    return doubt

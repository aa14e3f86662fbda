"""Candidates for a name and what speaks for each: blocked by division, compared in columns.

Owns which pairs are looked at and how two names compare, by the levels that the model weighs (``LEVELS``). Must
not know weights or thresholds.
"""

import numpy
import polars
from rapidfuzz import process
from rapidfuzz.distance import OSA, Indel
from scipy.sparse import csr_matrix
from sparse_dot_topn import sp_matmul_topn

CANDIDATES = 8  # near names looked at for each mention
THREADS = 2
LEAST_SIMILARITY = 0.15  # cosine of rare characters and pairs of them; below it nothing was ever one entity
NEAR_THE_BEST = 0.35  # of the best one's similarity: what is further behind is not looked at
SIMILAR = 0.7
NUMBERS = "0-9零一二三四五六七八九"
LONG_NUMBER = 4  # digits
EVERYWHERE = ""  # the block of a mention whose division nobody says, or which the register does not know

# how two names compare, the strongest first; the first that holds is the pair's level
LEVELS = (
    "form", "words", "core", "prefix_missing", "doubled", "sound", "shape", "swapped", "kind_missing", "one_missing",
    "one_wrong", "kind_differs", "contained", "similar", "other",
)  # fmt: skip
BY_LENGTH = {
    "swapped": 5,
    "prefix_missing": 4,
    "sound": 5,
    "shape": 5,
    "kind_missing": 5,
    "one_missing": 6,
    "one_wrong": 6,
    "contained": 5,
}
PAIRS = {"mention": polars.UInt32, "register_row": polars.UInt32, "is_elsewhere": polars.Boolean}


class Register:
    """The register's names, ready to be asked.

    ``known``: ``entity``, ``name``, ``division``, ``street`` and the columns of ``names.normalized``, one row for
    each name.
    """

    def __init__(self, known: polars.DataFrame) -> None:
        self.known = known.with_row_index("register_row")
        self.divisions = self.known["division"].drop_nulls().unique().to_list()
        self._grams: dict[str, _Grams] = {}

    def pairs(self, mentions: polars.DataFrame) -> polars.DataFrame:
        """Return the pairs worth comparing: ``mention``, ``register_row``, and whether it is another division's.

        ``mentions``: ``mention``, ``division`` and the columns of ``names.normalized``. A mention is compared with
        the register's equal forms in its division, else with the names nearest to it there and the equal forms of
        other divisions.
        """
        is_known = polars.col("division").is_in(self.divisions).fill_null(False)
        mentions = mentions.filter(polars.col("form") != "").with_columns(
            polars.when(is_known).then("division").otherwise(polars.lit(EVERYWHERE)).alias("block")
        )
        same = self._same_form(mentions)
        here = same.filter(~polars.col("is_elsewhere"))
        left = mentions.join(here, on="mention", how="anti")
        near = [self._near(str(block), part) for (block,), part in left.group_by("block", maintain_order=True)]
        others = same.join(here, on="mention", how="anti")
        return polars.concat([here, others, *near]).unique(
            ["mention", "register_row"], keep="first", maintain_order=True
        )

    def _same_form(self, mentions: polars.DataFrame) -> polars.DataFrame:
        known = self.known.select("form", "register_row", polars.col("division").alias("there"))
        pairs = mentions.select("mention", "form", "block").join(known, on="form")
        elsewhere = (polars.col("block") != EVERYWHERE) & (polars.col("block") != polars.col("there")).fill_null(False)
        return pairs.select("mention", "register_row", elsewhere.alias("is_elsewhere")).cast(PAIRS)  # type: ignore[arg-type]

    def _near(self, block: str, part: polars.DataFrame) -> polars.DataFrame:
        if block not in self._grams:
            rows = self.known if block == EVERYWHERE else self.known.filter(polars.col("division") == block)
            self._grams[block] = _Grams(rows["sound"], rows["register_row"])
        places, register_rows = self._grams[block].nearest(part["sound"])
        pairs = polars.DataFrame({"mention": part["mention"].gather(places), "register_row": register_rows})
        return pairs.with_columns(polars.lit(False).alias("is_elsewhere")).cast(PAIRS)  # type: ignore[arg-type]


class _Grams:
    """The single characters and pairs of characters of a block's names, weighed by how rare they are in it."""

    def __init__(self, texts: polars.Series, register_rows: polars.Series) -> None:
        self._register_rows = register_rows
        grams = _grams(texts)
        self._places = grams.select("gram").unique().sort("gram").with_row_index("place")
        placed = grams.join(self._places, on="gram")
        count = placed.group_by("place").agg(polars.col("row").n_unique()).sort("place")["row"].to_numpy()
        self._weights = numpy.log1p(len(texts) / numpy.maximum(count, 1)).astype(numpy.float32)
        self._known = self._matrix(placed, len(texts)).T.tocsr()

    def nearest(self, texts: polars.Series) -> tuple[numpy.ndarray, polars.Series]:
        """Return rows of ``texts`` and of the register that are near one another, at most CANDIDATES for each text."""
        matrix = self._matrix(_grams(texts).join(self._places, on="gram"), len(texts))
        scores = sp_matmul_topn(matrix, self._known, top_n=CANDIDATES, threshold=LEAST_SIMILARITY, n_threads=THREADS)
        rows = numpy.repeat(numpy.arange(len(texts)), numpy.diff(scores.indptr))
        best = numpy.zeros(len(texts), numpy.float32)
        numpy.maximum.at(best, rows, scores.data)
        is_near = scores.data >= NEAR_THE_BEST * best[rows]
        return rows[is_near], self._register_rows.gather(scores.indices[is_near].astype(numpy.int64))

    def _matrix(self, placed: polars.DataFrame, height: int) -> csr_matrix:
        rows, places = placed["row"].to_numpy(), placed["place"].to_numpy()
        shape = (height, len(self._places))
        matrix = csr_matrix((self._weights[places], (rows, places)), shape=shape, dtype=numpy.float32)
        lengths = numpy.sqrt(numpy.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
        matrix.data /= numpy.repeat(numpy.maximum(lengths, 1e-9), numpy.diff(matrix.indptr)).astype(numpy.float32)
        return matrix


def _grams(texts: polars.Series) -> polars.DataFrame:
    """Return ``row`` and ``gram``: each character, and each pair of neighbours with the ends marked."""
    frame = polars.DataFrame({"row": numpy.arange(len(texts), dtype=numpy.int32), "text": texts})
    frame = frame.filter(polars.col("text") != "")
    single = frame.select("row", polars.col("text").str.split("").alias("gram")).explode("gram", empty_as_null=False)
    single = single.filter(polars.col("gram") != "")
    following = single.with_columns(polars.col("gram").shift(-1).over("row").fill_null("$").alias("next"))
    pairs = following.select("row", (polars.col("gram") + polars.col("next")).alias("gram"))
    first = frame.select("row", ("^" + polars.col("text").str.slice(0, 1)).alias("gram"))
    return polars.concat([single, pairs, first])


def compared(pairs: polars.DataFrame) -> polars.DataFrame:
    """Add to pairs how their names compare.

    ``pairs`` holds the columns of ``names.normalized`` twice, the register's with the suffix ``_known``. Adds
    ``level`` (of LEVELS), ``length`` (characters of the shorter core), ``marks_agree`` and ``place_agrees`` (same,
    unsaid, differ), ``is_branch`` (one side is a branch, or they are two) and ``similarity`` (0–1).
    """
    core, known = pairs["core"].to_list(), pairs["core_known"].to_list()
    sounds = pairs["sound"].to_list(), pairs["sound_known"].to_list()
    edits = process.cpdist(core, known, scorer=OSA.distance, workers=THREADS, dtype=numpy.int32)
    similarity = process.cpdist(core, known, scorer=Indel.normalized_similarity, workers=THREADS, dtype=numpy.float32)
    sounding = process.cpdist(*sounds, scorer=OSA.distance, workers=THREADS, dtype=numpy.int32)
    lengths = (polars.col("core").str.len_chars(), polars.col("core_known").str.len_chars())
    pairs = pairs.with_columns(
        polars.Series("edits", edits, polars.Int32),
        polars.Series("similarity", similarity, polars.Float32),
        polars.Series("sounding", sounding, polars.Int32),
        polars.min_horizontal(*lengths).alias("length"),
    )
    same = {
        name: polars.col(name) == polars.col(f"{name}_known")
        for name in ("form", "words", "core", "base", "single", "sound", "shape")
    }
    is_named = polars.col("base").str.len_chars() >= 2
    one_kind = (polars.col("kind") == "") | (polars.col("kind_known") == "")
    # 小区 stands where a kind could: 阳光小区 is not 阳光花园
    says_estate = (polars.col("words") != polars.col("core")) & (polars.col("kind") == "") | (
        polars.col("words_known") != polars.col("core_known")
    ) & (polars.col("kind_known") == "")
    one_inside = polars.col("core").str.contains(polars.col("core_known"), literal=True)
    other_inside = polars.col("core_known").str.contains(polars.col("core"), literal=True)
    one_developer = (polars.col("own") == polars.col("core_known")) | (polars.col("own_known") == polars.col("core"))
    conditions = {
        "form": same["form"],
        "words": same["words"],
        "core": same["core"],
        "prefix_missing": one_developer,
        "doubled": same["single"],
        "sound": same["sound"] & (lengths[0] == lengths[1]),
        "shape": same["shape"] & (lengths[0] == lengths[1]),
        "swapped": (polars.col("edits") == 1) & (lengths[0] == lengths[1]) & _same_characters(),
        # a number of three digits names an estate whatever is written behind it
        "kind_missing": same["base"]
        & is_named
        & (one_kind & ~says_estate | polars.col("base").str.contains(f"[{NUMBERS}]{{3}}")),
        "one_missing": (polars.col("edits") == 1) & (lengths[0] != lengths[1]) & (polars.col("length") >= 2),
        "one_wrong": (polars.col("edits") == 1) & (polars.col("length") >= 2),
        "kind_differs": same["base"] & is_named,
        "contained": (one_inside | other_inside) & (polars.col("length") >= 2),
        "similar": (polars.col("similarity") >= SIMILAR) | (polars.col("sounding") <= 1) & (polars.col("length") >= 3),
    }
    level = polars.lit("other")
    for name in reversed(LEVELS[:-1]):
        level = polars.when(conditions[name]).then(polars.lit(name)).otherwise(level)
    place, elsewhere = polars.col("place"), polars.col("place_known")
    within = place.str.contains(elsewhere, literal=True) | elsewhere.str.contains(place, literal=True)
    # 昆都仑区阳光小区 in 昆都仑区 says nothing else
    there = polars.col("division_known").fill_null("").str.replace("(.)[市区县旗盟]$", "$1")
    is_there = (
        (elsewhere == "")
        & (place != "")
        & (there.str.contains(place, literal=True) | (there != "") & place.str.contains(there, literal=True))
    )
    place_agrees = polars.when(is_there).then(polars.lit("same")).otherwise(_agreement("place", within))
    return pairs.with_columns(level.alias("level")).with_columns(
        polars.when(_is_long_number_slip())
        .then(polars.lit("same"))
        .otherwise(_agreement("marks", polars.col("marks") == polars.col("marks_known")))
        .alias("marks_agree"),
        place_agrees.alias("place_agrees"),
        (polars.col("branch") != polars.col("branch_known")).alias("is_branch"),
    )


def _is_long_number_slip() -> polars.Expr:
    """Return whether only one digit of a number of four and more was dropped, doubled or changed places with another.

    Short numbers tell neighbours apart (1号楼, 11号楼); a long one has none so near, or both stand in the register.
    """
    marks, known = polars.col("marks"), polars.col("marks_known")
    longest = polars.max_horizontal(marks.str.len_chars(), known.str.len_chars())
    rest, rest_known = (polars.col(name).str.replace_all(f"[{NUMBERS}]", "") for name in ("core", "core_known"))
    is_number = marks.str.contains(f"^[{NUMBERS}]+$") & known.str.contains(f"^[{NUMBERS}]+$")
    is_slip = polars.col("level").is_in(["doubled", "one_missing", "swapped"])
    return is_slip & is_number & (longest >= LONG_NUMBER) & (rest == rest_known)


def _same_characters() -> polars.Expr:
    one, other = (polars.col(name).str.split("").list.sort().list.join("") for name in ("core", "core_known"))
    return one == other


def _agreement(column: str, is_same: polars.Expr) -> polars.Expr:
    one, other = polars.col(column), polars.col(f"{column}_known")
    is_unsaid = ((one == "") | (other == "")) & (one != other)
    same = polars.when(is_unsaid).then(polars.lit("unsaid")).when(is_same).then(polars.lit("same"))
    return same.otherwise(polars.lit("differ"))


def features(pairs: polars.DataFrame, common: polars.Expr) -> polars.DataFrame:
    """Add to compared pairs the evidence that a model weighs: columns name, division, place, street and common.

    ``common``: the step of how common the core in column ``core_known`` is; it is weighed beside the division.
    """
    by_length = polars.col("level")
    for level, most in BY_LENGTH.items():
        length = polars.min_horizontal("length", polars.lit(most)).cast(polars.String)
        is_level = polars.col("level") == level
        by_length = polars.when(is_level).then(polars.lit(f"{level}_") + length).otherwise(by_length)
    is_unsaid = polars.col("division").is_null() | polars.col("division_known").is_null()
    is_same = polars.col("division") == polars.col("division_known")
    division = (
        polars.when(is_unsaid).then(polars.lit("unsaid")).when(is_same).then(polars.lit("same"))
        .otherwise(polars.lit("differ"))
    )  # fmt: skip
    street = polars.col("street").is_null() | polars.col("street_known").is_null()
    both = polars.col("street").str.contains(polars.col("street_known"), literal=True)
    return pairs.with_columns(
        by_length.alias("name_evidence"),
        division.alias("division_evidence"),
        polars.col("place_agrees").alias("place_evidence"),
        polars.when(street).then(polars.lit("unsaid")).when(both).then(polars.lit("same")).otherwise(polars.lit("differ"))
        .alias("street_evidence"),
        polars.concat_str([division, common], separator="_").alias("common_evidence"),
    )  # fmt: skip

"""The peers of ``benchmarks.score_points``, in an environment of their own: fits each once, then scores when told.

Run by ``benchmarks.score_points`` with the peers' own Python; imports nothing of the project. Reads the table from a
.npy file (rows × indicators, last column the outcome). Then, for every line on stdin that names a way to score, prints
the seconds it took; the first line it prints lists the ways there are.
"""

import contextlib
import io
import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

FITTED_ROWS = 20_000
BINS = 5


def ways(path: str) -> dict[str, Callable[[], Any]]:
    """Return what to call to score the whole table, by name; a library that cannot be fitted is left out."""
    import numpy as np
    import pandas as pd

    table = np.load(path)
    frame = pd.DataFrame(table[:, :-1], columns=[f"x{number:02d}" for number in range(table.shape[1] - 1)])
    outcome = pd.Series(table[:, -1].astype(int), name="y")
    few, known = frame.iloc[:FITTED_ROWS].reset_index(drop=True), outcome.iloc[:FITTED_ROWS].reset_index(drop=True)
    peers: dict[str, Callable[[], Any]] = {}
    for fit in (_toad, _optbinning, _scorecardpy):
        try:
            peers |= fit(few, known, frame)
        except Exception as error:  # a peer that does not run here is reported, not hidden
            print(f"{fit.__name__[1:]} cannot be measured here: {error!r}", file=sys.stderr)
    return peers


def _toad(few: Any, known: Any, frame: Any) -> dict[str, Callable[[], Any]]:
    import toad

    binned = toad.transform.Combiner().fit(few, known, method="quantile", n_bins=BINS)
    weights = toad.transform.WOETransformer()
    woe = weights.fit_transform(binned.transform(few), known)
    card = toad.ScoreCard(combiner=binned, transer=weights, C=1.0).fit(woe, known)
    return {
        "toad with reasons": lambda: card.get_reason(frame),
        "toad score only": lambda: card.predict(frame),
        "toad with points": lambda: card.predict(frame, return_sub=True),
    }


def _optbinning(few: Any, known: Any, frame: Any) -> dict[str, Callable[[], Any]]:
    from optbinning import BinningProcess, Scorecard
    from sklearn.linear_model import LogisticRegression

    process = BinningProcess(list(few.columns), max_n_prebins=BINS, max_n_bins=BINS)
    card = Scorecard(
        binning_process=process,
        estimator=LogisticRegression(),
        scaling_method="min_max",
        scaling_method_params={"min": 0, "max": 100},
    ).fit(few, known)
    return {"optbinning score only": lambda: card.score(frame)}


def _scorecardpy(few: Any, known: Any, frame: Any) -> dict[str, Callable[[], Any]]:
    import scorecardpy
    from sklearn.linear_model import LogisticRegression

    bins = scorecardpy.woebin(
        few.assign(y=known), y="y", method="tree", bin_num_limit=BINS, min_perc_fine_bin=0.1, no_cores=1,
        print_info=False,
    )  # fmt: skip
    woe = scorecardpy.woebin_ply(few.assign(y=known), bins, no_cores=1, print_info=False)
    names = [f"{name}_woe" for name in few.columns]
    card = scorecardpy.scorecard(bins, LogisticRegression().fit(woe[names], known), names)
    return {"scorecardpy score only": lambda: scorecardpy.scorecard_ply(frame, card, print_step=0)}


def main() -> int:
    """Fit, say what there is, then score as often as told."""
    warnings.simplefilter("ignore")
    answers = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()):
        peers = ways(sys.argv[1])
        print(json.dumps(list(peers)), file=answers, flush=True)
        for line in sys.stdin:
            started = time.perf_counter()
            peers[line.strip()]()
            print(time.perf_counter() - started, file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""How much better S orders enterprises by their true quality than raw complaint rates do, on a large simulated region.

The peer is the raw rate of the same run. The whole validation (every gate, its interval, the report) is in
benchmarks/results/validation. A missed gate does not fail the benchmark: the report says it.
"""

import argparse
import json
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def main() -> int:
    """Validate, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="province")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    from property_credit.cli.validation import validate_region
    from scoring.validation.run import summary

    started = time.monotonic()
    report = validate_region(preset=chosen.preset, seeds=[chosen.seed], out=RESULTS / "validation")
    gates = {gate.code: gate for gate in report.gates}
    truth = gates["truth"]
    ours, raw = truth.details.get("rank_correlation"), truth.details.get("peers", {}).get("complaints")
    result = {
        "name": "validate_region",
        "what": f"rank correlation of S with true quality ÷ that of raw complaint rates; {summary(report)}",
        "ratio": ours / raw if ours and raw else 0.0,
        "preset": chosen.preset,
        "seed": chosen.seed,
        "seconds": round(time.monotonic() - started, 1),
        "rated": report.about["rated"],
        "gates": {
            code: {"status": gate.status, "figure": gate.estimate.value, "aim": gate.aim}
            for code, gate in gates.items()
        },
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

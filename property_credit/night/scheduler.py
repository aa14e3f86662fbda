"""Airflow's scheduler with Great Expectations already in its memory: ``python -m property_credit.night.scheduler``.

Under LocalExecutor every task is forked from the scheduler. Thirty tasks of a night check something, and each would
spend 5 s of CPU on the import; forked, they have it.
"""

import runpy
import sys

from property_credit.gates import checking


def main() -> None:
    """Load what the tasks share, then be ``airflow scheduler`` with this process's further arguments."""
    checking.load()
    sys.argv[1:1] = ["scheduler"]
    runpy.run_module("airflow", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

"""The tasks that say who is who: what tonight's registers and events say, and whom rows mean that bring names."""

from datetime import date

from property_credit.night.recording import recorded

DAG, TASK = "build_warehouse", "keep_register"


def keep_register(business_date: date) -> None:
    """Bring the register of entities to what was known by the end of ``business_date``, and match names against it.

    What officers decided about names in the workbench is taken before names are matched. Events that contradict the
    register are named in the task's message and change nothing.
    """
    from property_credit.entities.acts import take_acts
    from property_credit.entities.linking import link_mentions
    from property_credit.entities.register import keep

    with recorded("pc_entities", business_date, DAG, TASK, reads_marts=False) as note:
        report = keep(business_date)
        taken = take_acts(business_date)
        linking = link_mentions(business_date)
        note.is_new = report.is_new or linking.is_new or bool(taken.decided_count)
        note.message = "; ".join(filter(None, (str(report), str(taken), str(linking))))
        if report.refused:
            note.attention = f"{len(report.refused)} events contradict the register of entities"


def release_named_rows(business_date: date) -> None:
    """Load the rows whose names were linked by now, and let those wait again whose link was undone."""
    from property_credit.ingestion import batches, waiting

    with recorded("pc_ingestion", business_date, DAG, "release_named_rows", reads_marts=False) as note:
        told = []
        for feed in waiting.feeds_with_names():
            reports = waiting.release(feed, business_date)
            if reports:
                batches.analyze(feed)
            came, back = (sum(getattr(one, name) for one in reports) for name in ("rows_in", "rows_withdrawn"))
            told += [f"{came:,} rows of {feed} came in"] * bool(came)
            told += [f"{back:,} rows of {feed} wait again: their link was undone"] * bool(back)
        note.is_new, note.message = bool(told), "; ".join(told) or "no name was linked"

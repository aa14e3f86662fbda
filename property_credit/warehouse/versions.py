"""The order of a row's versions in raw: one statement of it for everybody who looks the current one up.

The models say the same (macro ``ordered_at``), and older editions of the rules what they said before.
"""

from typing import LiteralString

# When a row came: a row that was loaded later than it came (it waited, or was read again) stands where it came.
ARRIVED_ON: LiteralString = "coalesce(versions.arrived_on, versions.known_on)"
ARRIVED_AT: LiteralString = "coalesce(versions.arrived_at, versions.received_at)"

# The last instant by which a row can have come: its arrival by the clock, or the end of the business date that it came
# for where the clock is of another day (a night after midnight, a backfill, a simulated night).
ARRIVED_BY: LiteralString = f"""case
    when ({ARRIVED_AT} at time zone 'Asia/Shanghai')::date = {ARRIVED_ON} then {ARRIVED_AT}
    else ({ARRIVED_ON} + 1)::timestamp at time zone 'Asia/Shanghai'
  end"""
# The instant that a version stands for: when its source changed it; where the source says nothing, or a time later than
# the row's arrival, its arrival, or the beginning of the day it came for: many sources leave the time out until the
# first change, and that change must not look older than what it changed.
ORDERED_AT: LiteralString = f"""case when versions.updated_at <= {ARRIVED_BY} then versions.updated_at
    when ({ARRIVED_AT} at time zone 'Asia/Shanghai')::date = {ARRIVED_ON} then {ARRIVED_AT}
    else {ARRIVED_ON}::timestamp at time zone 'Asia/Shanghai'
  end"""
# the sort of relation `versions` by when they came; of two readings of one row the later one counts
ARRIVED: LiteralString = f"{ARRIVED_ON}, {ARRIVED_AT}, versions.row_number, versions.received_at"
# the sort of relation `versions` that puts the current version of each key first; what a full list has lost is current
NEWEST_FIRST: LiteralString = (
    f"(versions.absence_code is not null) desc, {ORDERED_AT} desc, {ARRIVED_ON} desc, {ARRIVED_AT} desc,"
    " versions.row_number desc, versions.received_at desc"
)

"""Where enterprises and offices act: objections, replies, repairs, alerts, complaints, accounts.

Owns schema ``workbench`` as role ``pc_workbench``: every act is one row of an append-only, hash-chained record, and a
case is what its acts add up to. Reads grades, evidence and alerts; changes none of them: what people did reaches the
night as a delivery does.
"""

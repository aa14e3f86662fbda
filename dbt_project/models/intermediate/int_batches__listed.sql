-- A copy of what was recorded up to the night, so that it lies on every machine beside the rows that it is joined to.
select
  batch_id,
  feed,
  source_profile
from {{ source('ops', 'batches') }}
where business_date <= {{ as_of() }}

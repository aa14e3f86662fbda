-- Spells of a community never overlap: on any day at most one manager answers for it.
select
  spells.community_id,
  spells.starts_on,
  later.starts_on as overlapping_starts_on
from {{ ref('int_spells__resolved') }} as spells
inner join {{ ref('int_spells__resolved') }} as later
  on later.community_id = spells.community_id and later.starts_on > spells.starts_on
where later.starts_on <= spells.ends_on or spells.ends_on < spells.starts_on

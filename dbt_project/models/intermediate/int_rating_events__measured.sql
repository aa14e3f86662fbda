-- M09: each rating as a distance from what its rater usually gives, in that rater's own spread; a rater with few
-- ratings has the spread common to all. A rater's only rating says nothing about anybody.
with ratings as (

  select * from {{ ref('stg_street_ratings') }} where {{ in_window('rated_on', window_months('M09'), counted_until('street_ratings')) }}

),

spells as (

  select * from {{ ref('int_spells__resolved') }}

),

raters as (

  select
    rater_code,
    count(*) as rating_count,
    avg(rating_score) as mean_score,
    stddev_samp(rating_score) as own_spread,
    var_samp(rating_score) * (count(*) - 1) as square_sum
  from ratings
  group by rater_code
  having count(*) > 1

),

everybody as (

  select sqrt(sum(square_sum) / sum(rating_count - 1)) as common_spread
  from raters

),

centred as (

  select
    ratings.rating_id,
    coalesce(ratings.uscc, spells.uscc) as uscc,
    ratings.rated_on,
    ratings.rater_level_code,
    coalesce(
      (ratings.rating_score - raters.mean_score) / nullif(
        case
          when raters.rating_count >= {{ var('rating_spread_from') }} and raters.own_spread > 0 then raters.own_spread
          else everybody.common_spread
        end, 0
      ), 0
    ) as z_score,
    case when spells.uscc = coalesce(ratings.uscc, spells.uscc) then spells.protection_weight else 1 end
      as protection_weight
  from ratings
  inner join raters
    on raters.rater_code = ratings.rater_code
  cross join everybody
  left join spells
    on spells.community_id = ratings.community_id and ratings.rated_on between spells.starts_on and spells.ends_on

)

select
  uscc,
  'M09' as indicator_code,
  {{ window_months('M09') }} as window_months,
  rating_id as evidence_id,
  'all' as stratum_code,
  'street_ratings' as evidence_feed,
  rated_on as event_on,
  round(z_score * protection_weight, 6) as numerator,
  round(protection_weight, 6) as denominator,
  round(greatest(-z_score, 0) * protection_weight, 6) as adverse_weight,
  rater_level_code as summary_code
from centred
where uscc is not null and protection_weight > 0

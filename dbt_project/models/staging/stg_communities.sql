{{ latest_as_known(
  source('raw', 'communities'),
  key=['community_id'],
  columns=[
    'community_id', 'community_name', 'region_code', 'street_code', 'street_name', 'community_type_code',
    'built_year', 'household_count', 'floor_area_m2', 'has_lift', 'is_price_guided',
    'effective_on', 'change_code',
  ],
) }}

{{ latest_as_known(
  source('raw', 'street_ratings'),
  key=['rating_id'],
  columns=[
    'rating_id', 'rater_code', 'rater_level_code', 'community_id', 'uscc', 'rated_on', 'rating_score',
  ],
) }}

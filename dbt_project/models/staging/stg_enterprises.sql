{{ latest_as_known(
  source('raw', 'enterprises'),
  key=['uscc'],
  columns=[
    'uscc', 'enterprise_name', 'organisation_type_code', 'registered_region_code', 'established_on',
    'is_active', 'listing_status_code', 'listed_on', 'delisted_on', 'annual_report_filed_on',
  ],
) }}

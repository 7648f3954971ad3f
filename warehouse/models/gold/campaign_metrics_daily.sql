-- Days are those that reports are about, whenever they come: so it is made of a tenant's whole history.
WITH ranked AS (
    SELECT
        org_id,
        campaign_id,
        channel,
        CAST(period_start AS DATE) AS day,
        currency,
        EPOCH(period_end) - EPOCH(period_start) >= 86400 AS is_day,
        impressions,
        clicks,
        conversions,
        spend,
        revenue,
        -- A later report of the same period replaces the earlier one.
        {{ recency('campaign_id, channel, period_start, period_end') }} AS recency
    FROM {{ source('silver', 'campaign_metrics_reported_v1') }}
),

current_reports AS (
    SELECT
        org_id,
        campaign_id,
        channel,
        day,
        currency,
        is_day,
        impressions,
        clicks,
        conversions,
        spend,
        revenue,
        BOOL_OR(is_day) OVER (PARTITION BY org_id, campaign_id, channel, day) AS has_day
    FROM ranked
    WHERE recency = 1
),

-- A report of the whole day holds what its hours say.
summed AS (
    SELECT
        org_id,
        day,
        campaign_id,
        channel,
        currency,
        {{ total_integer('impressions') }} AS impressions,
        {{ total_integer('clicks') }} AS clicks,
        {{ total_integer('COALESCE(conversions, 0)') }} AS conversions,
        {{ total('spend') }} AS spend,
        {{ total('COALESCE(revenue, 0)') }} AS revenue
    FROM current_reports
    WHERE is_day OR NOT has_day
    GROUP BY org_id, day, campaign_id, channel, currency
)

SELECT
    org_id,
    day,
    campaign_id,
    channel,
    currency,
    impressions,
    clicks,
    conversions,
    spend,
    revenue,
    CAST(clicks AS DOUBLE) / NULLIF(impressions, 0) AS click_through_rate,
    CAST(conversions AS DOUBLE) / NULLIF(clicks, 0) AS conversion_rate,
    {{ cost_by('spend', 'clicks') }} AS cost_per_click,
    {{ cost_by('spend * 1000', 'impressions') }} AS cost_per_mille,
    {{ cost_by('spend', 'conversions') }} AS cost_per_conversion,
    CAST(revenue AS DOUBLE) / NULLIF(CAST(spend AS DOUBLE), 0) AS return_on_spend
FROM summed

-- What is known of each user now. An update carries only what changed, so each field has its own last value.
-- Names and addresses stay in silver.
WITH changes AS (
    SELECT
        org_id,
        user_id,
        event_time,
        received_at,
        event_id,
        event_time AS registered_at,
        registration_source,
        CAST(NULL AS VARCHAR) AS segment,
        CAST(NULL AS VARCHAR) AS country,
        CAST(NULL AS BOOLEAN) AS marketing_consent
    FROM {{ source('silver', 'user_registered_v1') }}
    UNION ALL
    SELECT
        org_id,
        user_id,
        event_time,
        received_at,
        event_id,
        CAST(NULL AS TIMESTAMPTZ) AS registered_at,
        CAST(NULL AS VARCHAR) AS registration_source,
        segment,
        country,
        marketing_consent
    FROM {{ source('silver', 'user_profile_updated_v1') }}
),

ranked AS (
    SELECT
        org_id,
        user_id,
        event_time,
        registered_at,
        registration_source,
        segment,
        country,
        marketing_consent,
        {{ recency('user_id') }} AS recency
    FROM changes
)

SELECT
    org_id,
    user_id,
    MIN(registered_at) AS registered_at,
    MIN_BY(registration_source, recency) FILTER (WHERE registration_source IS NOT NULL) AS registration_source,
    MIN_BY(segment, recency) FILTER (WHERE segment IS NOT NULL) AS segment,
    MIN_BY(country, recency) FILTER (WHERE country IS NOT NULL) AS country,
    MIN_BY(marketing_consent, recency) FILTER (WHERE marketing_consent IS NOT NULL) AS marketing_consent,
    MAX(event_time) AS updated_at
FROM ranked
GROUP BY org_id, user_id

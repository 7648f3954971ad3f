{# Generated from schemas/aggregates: edit those, then run millrace contracts build. #}
{% macro alerts_by_rule(minutes, slide=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        "kind" AS "kind",
        "severity" AS "severity"
    FROM {{ source('silver', 'alert_raised_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        "kind" AS "kind",
        "severity" AS "severity"
    FROM {{ source('silver', 'campaign_alert_raised_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "kind",
        "severity",
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        "kind",
        "severity",
        COUNT(*) AS alerts
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "kind", "severity"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "kind",
    "severity",
    alerts
FROM measured
{%- endmacro %}

{% macro campaign_pacing(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        event_id,
        "campaign_id" AS "campaign",
        "spent" AS value_1,
        "budget" AS value_2,
        "expected_spend" AS value_3,
        "pacing_ratio" AS value_4,
        "event_time" AS value_5,
        "flight_start" AS value_6,
        "flight_end" AS value_7,
        coalesce("pacing_ratio" > CAST(1.1 AS DOUBLE), false) AS holds_8,
        coalesce("pacing_ratio" < CAST(0.9 AS DOUBLE), false) AS holds_9
    FROM {{ events or source('silver', 'campaign_pacing_recorded_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "campaign",
        value_1,
        value_2,
        value_3,
        value_4,
        value_5,
        value_6,
        value_7,
        holds_8,
        holds_9,
        event_time,
        event_id,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), placed AS (
    SELECT
        org_id,
        "campaign",
        value_1,
        value_2,
        value_3,
        value_4,
        value_5,
        value_6,
        value_7,
        holds_8,
        holds_9,
        window_start,
        ROW_NUMBER() OVER (PARTITION BY org_id, window_start, "campaign" ORDER BY CASE WHEN value_1 IS NOT NULL THEN 0 ELSE 1 END, event_time DESC, event_id DESC) AS place_1,
        ROW_NUMBER() OVER (PARTITION BY org_id, window_start, "campaign" ORDER BY CASE WHEN value_2 IS NOT NULL THEN 0 ELSE 1 END, event_time DESC, event_id DESC) AS place_2,
        ROW_NUMBER() OVER (PARTITION BY org_id, window_start, "campaign" ORDER BY CASE WHEN value_3 IS NOT NULL THEN 0 ELSE 1 END, event_time DESC, event_id DESC) AS place_3,
        ROW_NUMBER() OVER (PARTITION BY org_id, window_start, "campaign" ORDER BY CASE WHEN value_4 IS NOT NULL THEN 0 ELSE 1 END, event_time DESC, event_id DESC) AS place_4,
        ROW_NUMBER() OVER (PARTITION BY org_id, window_start, "campaign" ORDER BY CASE WHEN value_6 IS NOT NULL THEN 0 ELSE 1 END, event_time DESC, event_id DESC) AS place_6,
        ROW_NUMBER() OVER (PARTITION BY org_id, window_start, "campaign" ORDER BY CASE WHEN value_7 IS NOT NULL THEN 0 ELSE 1 END, event_time DESC, event_id DESC) AS place_7
    FROM windowed
), measured AS (
    SELECT
        org_id,
        window_start,
        "campaign",
        COUNT(*) AS reports,
        MAX(value_1) FILTER (WHERE place_1 = 1) AS spent,
        MAX(value_2) FILTER (WHERE place_2 = 1) AS budget,
        MAX(value_3) FILTER (WHERE place_3 = 1) AS expected_spend,
        MAX(value_4) FILTER (WHERE place_4 = 1) AS pacing_ratio,
        MAX(value_5) AS reported_at,
        MAX(value_6) FILTER (WHERE place_6 = 1) AS flight_start,
        MAX(value_7) FILTER (WHERE place_7 = 1) AS flight_end,
        COUNT(*) FILTER (WHERE holds_8) AS over_plan,
        COUNT(*) FILTER (WHERE holds_9) AS under_plan
    FROM placed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "campaign"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "campaign",
    reports,
    spent,
    budget,
    expected_spend,
    pacing_ratio,
    reported_at,
    flight_start,
    flight_end,
    over_plan,
    under_plan,
    CASE WHEN expected_spend <> 0 THEN CASE WHEN ABS(CAST(spent AS DOUBLE) / CAST(expected_spend AS DOUBLE)) < 1000000000000000000 THEN CAST(FLOOR((CAST(spent AS DOUBLE) / CAST(expected_spend AS DOUBLE)) * 10000 + 0.5) AS DECIMAL(34, 0)) * CAST('0.0001' AS DECIMAL(4, 4)) END END AS pace,
    CASE WHEN flight_start IS NOT NULL AND reported_at >= flight_end THEN CASE WHEN ABS(CAST(spent AS DOUBLE)) < 1000000000000000000 THEN CAST(FLOOR((CAST(spent AS DOUBLE)) * 10000 + 0.5) AS DECIMAL(34, 0)) * CAST('0.0001' AS DECIMAL(4, 4)) END WHEN reported_at > flight_start THEN CASE WHEN ABS(CAST(spent AS DOUBLE) * (EPOCH(flight_end) - EPOCH(flight_start)) / (EPOCH(reported_at) - EPOCH(flight_start))) < 1000000000000000000 THEN CAST(FLOOR((CAST(spent AS DOUBLE) * (EPOCH(flight_end) - EPOCH(flight_start)) / (EPOCH(reported_at) - EPOCH(flight_start))) * 10000 + 0.5) AS DECIMAL(34, 0)) * CAST('0.0001' AS DECIMAL(4, 4)) END END AS projected_spend,
    CAST(CASE WHEN flight_start IS NOT NULL AND reported_at >= flight_end THEN CASE WHEN ABS(CAST(spent AS DOUBLE)) < 1000000000000000000 THEN CAST(FLOOR((CAST(spent AS DOUBLE)) * 10000 + 0.5) AS DECIMAL(34, 0)) * CAST('0.0001' AS DECIMAL(4, 4)) END WHEN reported_at > flight_start THEN CASE WHEN ABS(CAST(spent AS DOUBLE) * (EPOCH(flight_end) - EPOCH(flight_start)) / (EPOCH(reported_at) - EPOCH(flight_start))) < 1000000000000000000 THEN CAST(FLOOR((CAST(spent AS DOUBLE) * (EPOCH(flight_end) - EPOCH(flight_start)) / (EPOCH(reported_at) - EPOCH(flight_start))) * 10000 + 0.5) AS DECIMAL(34, 0)) * CAST('0.0001' AS DECIMAL(4, 4)) END END AS DECIMAL(38, 4)) - CAST(budget AS DECIMAL(38, 4)) AS over_budget,
    CASE WHEN spent > 0 AND budget >= 0 AND reported_at > flight_start THEN CASE WHEN EPOCH(flight_start) + (EPOCH(reported_at) - EPOCH(flight_start)) * CAST(budget AS DOUBLE) / CAST(spent AS DOUBLE) < 253402300800 THEN TO_TIMESTAMP(FLOOR(EPOCH(flight_start) + (EPOCH(reported_at) - EPOCH(flight_start)) * CAST(budget AS DOUBLE) / CAST(spent AS DOUBLE))) END END AS projected_end
FROM measured
{%- endmacro %}

{% macro events_by_type(minutes, slide=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        'alert.acknowledged' AS "type"
    FROM {{ source('silver', 'alert_acknowledged_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'alert.ended' AS "type"
    FROM {{ source('silver', 'alert_ended_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'alert.raised' AS "type"
    FROM {{ source('silver', 'alert_raised_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'asset.created' AS "type"
    FROM {{ source('silver', 'asset_created_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'asset.updated' AS "type"
    FROM {{ source('silver', 'asset_updated_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'campaign.alert_raised' AS "type"
    FROM {{ source('silver', 'campaign_alert_raised_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'campaign.metrics_reported' AS "type"
    FROM {{ source('silver', 'campaign_metrics_reported_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'campaign.pacing_recorded' AS "type"
    FROM {{ source('silver', 'campaign_pacing_recorded_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'cart.item_added' AS "type"
    FROM {{ source('silver', 'cart_item_added_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'checkout.started' AS "type"
    FROM {{ source('silver', 'checkout_started_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'consent.granted' AS "type"
    FROM {{ source('silver', 'consent_granted_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'consent.withdrawn' AS "type"
    FROM {{ source('silver', 'consent_withdrawn_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'contract.retirement.announced' AS "type"
    FROM {{ source('silver', 'contract_retirement_announced_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'crm.record_changed' AS "type"
    FROM {{ source('silver', 'crm_record_changed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'fraud.decision.made' AS "type"
    FROM {{ source('silver', 'fraud_decision_made_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'group.joined' AS "type"
    FROM {{ source('silver', 'group_joined_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'integration.webhook.received' AS "type"
    FROM {{ source('silver', 'integration_webhook_received_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'inventory.adjusted' AS "type"
    FROM {{ source('silver', 'inventory_adjusted_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'invoice.reported' AS "type"
    FROM {{ source('silver', 'invoice_reported_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'mail.reported' AS "type"
    FROM {{ source('silver', 'mail_reported_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'ml.model.moved' AS "type"
    FROM {{ source('silver', 'ml_model_moved_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'order.completed' AS "type"
    FROM {{ source('silver', 'order_completed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'order.created' AS "type"
    FROM {{ source('silver', 'order_created_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'page.viewed' AS "type"
    FROM {{ source('silver', 'page_viewed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'payment.captured' AS "type"
    FROM {{ source('silver', 'payment_captured_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'payment.disputed' AS "type"
    FROM {{ source('silver', 'payment_disputed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'payment.failed' AS "type"
    FROM {{ source('silver', 'payment_failed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'payment.refunded' AS "type"
    FROM {{ source('silver', 'payment_refunded_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'payout.reported' AS "type"
    FROM {{ source('silver', 'payout_reported_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'payout.requested' AS "type"
    FROM {{ source('silver', 'payout_requested_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'platform.canary.sent' AS "type"
    FROM {{ source('silver', 'platform_canary_sent_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'product.updated' AS "type"
    FROM {{ source('silver', 'product_updated_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'product.viewed' AS "type"
    FROM {{ source('silver', 'product_viewed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'quality.check.failed' AS "type"
    FROM {{ source('silver', 'quality_check_failed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'report.flagged' AS "type"
    FROM {{ source('silver', 'report_flagged_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'review.submitted' AS "type"
    FROM {{ source('silver', 'review_submitted_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'screen.viewed' AS "type"
    FROM {{ source('silver', 'screen_viewed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'system.health.check' AS "type"
    FROM {{ source('silver', 'system_health_check_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'transaction.created' AS "type"
    FROM {{ source('silver', 'transaction_created_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'user.aliased' AS "type"
    FROM {{ source('silver', 'user_aliased_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'user.identified' AS "type"
    FROM {{ source('silver', 'user_identified_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'user.profile_updated' AS "type"
    FROM {{ source('silver', 'user_profile_updated_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'user.registered' AS "type"
    FROM {{ source('silver', 'user_registered_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'user.session_ended' AS "type"
    FROM {{ source('silver', 'user_session_ended_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'user.session_started' AS "type"
    FROM {{ source('silver', 'user_session_started_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "type",
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        "type",
        COUNT(*) AS events
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "type"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "type",
    events
FROM measured
{%- endmacro %}

{% macro interests(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        event_id,
        "user_key" AS "user",
        "category" AS value_5
    FROM {{ events or source('silver', 'product_viewed_v1') }}
    WHERE ("user_key" IS NOT NULL){% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "user",
        value_5,
        event_time,
        event_id,
        CAST(FLOOR(POWER(CAST(2 AS DOUBLE), -(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }} + {{ (minutes - step) * 60 }} - FLOOR(EPOCH(event_time) / 300) * 300) / 604800) * 1000000 + 0.5) AS BIGINT) AS weight_1,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), placed AS (
    SELECT
        org_id,
        "user",
        value_5,
        weight_1,
        window_start,
        ROW_NUMBER() OVER (PARTITION BY org_id, window_start, "user" ORDER BY CASE WHEN value_5 IS NOT NULL THEN 0 ELSE 1 END, event_time DESC, event_id DESC) AS place_5
    FROM windowed
), measured AS (
    SELECT
        org_id,
        window_start,
        "user",
        COUNT(*) AS views,
        ROUND(CAST(COALESCE(SUM(weight_1), 0) AS DECIMAL(31, 0)) * CAST('0.000001' AS DECIMAL(7, 6)), 4) AS interest,
        MAX(value_5) FILTER (WHERE place_5 = 1) AS last_category
    FROM placed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "user"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "user",
    views,
    interest,
    last_category
FROM measured
{%- endmacro %}

{% macro inventory(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        event_id,
        "product_id" AS "product",
        "warehouse_id" AS "warehouse",
        "delta" AS value_1,
        "on_hand" AS value_2,
        "on_hand" AS value_3,
        coalesce("reason" = 'sale', false) AS holds_4,
        coalesce("reason" = 'loss', false) AS holds_5
    FROM {{ events or source('silver', 'inventory_adjusted_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "product",
        "warehouse",
        value_1,
        value_2,
        value_3,
        holds_4,
        holds_5,
        event_time,
        event_id,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), placed AS (
    SELECT
        org_id,
        "product",
        "warehouse",
        value_1,
        value_2,
        value_3,
        holds_4,
        holds_5,
        window_start,
        ROW_NUMBER() OVER (PARTITION BY org_id, window_start, "product", "warehouse" ORDER BY CASE WHEN value_2 IS NOT NULL THEN 0 ELSE 1 END, event_time DESC, event_id DESC) AS place_2
    FROM windowed
), measured AS (
    SELECT
        org_id,
        window_start,
        "product",
        "warehouse",
        COUNT(*) AS adjustments,
        COALESCE({{ total_integer('value_1') }}, 0) AS change,
        MAX(value_2) FILTER (WHERE place_2 = 1) AS on_hand,
        MIN(value_3) AS lowest,
        COUNT(*) FILTER (WHERE holds_4) AS sales,
        COUNT(*) FILTER (WHERE holds_5) AS losses
    FROM placed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "product", "warehouse"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "product",
    "warehouse",
    adjustments,
    change,
    on_hand,
    lowest,
    sales,
    losses
FROM measured
{%- endmacro %}

{% macro orders_by_user(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        "user_key" AS "user",
        "total_amount" AS value_1
    FROM {{ events or source('silver', 'order_created_v1') }}
    WHERE ("user_key" IS NOT NULL){% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "user",
        value_1,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        "user",
        COUNT(*) AS orders,
        COALESCE({{ total('value_1') }}, 0) AS revenue
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "user"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "user",
    orders,
    revenue
FROM measured
{%- endmacro %}

{% macro rule_evaluations(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        "rule_id" AS "rule",
        coalesce("matched" = true, false) AS holds_1,
        "campaign_id" AS value_2,
        "duration_ms" AS value_3
    FROM {{ events or source('silver', 'rule_evaluated_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "rule",
        value_2,
        value_3,
        holds_1,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        "rule",
        COUNT(*) AS evaluations,
        {{ share('holds_1') }} AS match_rate,
        COUNT(DISTINCT value_2) AS campaigns,
        MAX(value_3) AS longest_ms
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "rule"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "rule",
    evaluations,
    match_rate,
    campaigns,
    longest_ms
FROM measured
{%- endmacro %}

{% macro shop_conversion(minutes, slide=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        "session_id" AS value_0,
        1 AS step_0
    FROM {{ source('silver', 'product_viewed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        "session_id" AS value_0,
        2 AS step_0
    FROM {{ source('silver', 'cart_item_added_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        "session_id" AS value_0,
        3 AS step_0
    FROM {{ source('silver', 'checkout_started_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        "session_id" AS value_0,
        4 AS step_0
    FROM {{ source('silver', 'order_completed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        value_0,
        step_0,
        event_time,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), taken_0_1 AS (
    SELECT
        org_id,
        value_0,
        step_0,
        event_time,
        window_start,
        MIN(CASE WHEN step_0 = 1 THEN event_time END) OVER (PARTITION BY org_id, window_start, value_0) AS taken_0_1
    FROM windowed
), taken_0_2 AS (
    SELECT
        org_id,
        value_0,
        step_0,
        event_time,
        window_start,
        taken_0_1,
        MIN(CASE WHEN step_0 = 2 AND event_time >= taken_0_1 THEN event_time END) OVER (PARTITION BY org_id, window_start, value_0) AS taken_0_2
    FROM taken_0_1
), taken_0_3 AS (
    SELECT
        org_id,
        value_0,
        step_0,
        event_time,
        window_start,
        taken_0_1,
        taken_0_2,
        MIN(CASE WHEN step_0 = 3 AND event_time >= taken_0_2 THEN event_time END) OVER (PARTITION BY org_id, window_start, value_0) AS taken_0_3
    FROM taken_0_2
), taken_0_4 AS (
    SELECT
        org_id,
        value_0,
        step_0,
        event_time,
        window_start,
        taken_0_1,
        taken_0_2,
        taken_0_3,
        MIN(CASE WHEN step_0 = 4 AND event_time >= taken_0_3 THEN event_time END) OVER (PARTITION BY org_id, window_start, value_0) AS taken_0_4
    FROM taken_0_3
), measured AS (
    SELECT
        org_id,
        window_start,
        COUNT(DISTINCT CASE WHEN taken_0_1 IS NOT NULL THEN value_0 END) AS steps_1,
        COUNT(DISTINCT CASE WHEN taken_0_2 IS NOT NULL THEN value_0 END) AS steps_2,
        COUNT(DISTINCT CASE WHEN taken_0_3 IS NOT NULL THEN value_0 END) AS steps_3,
        COUNT(DISTINCT CASE WHEN taken_0_4 IS NOT NULL THEN value_0 END) AS steps_4,
        COUNT(*) AS events
    FROM taken_0_4
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    steps_1,
    steps_2,
    steps_3,
    steps_4,
    events
FROM measured
{%- endmacro %}

{% macro shop_funnel(minutes, slide=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        'product.viewed' AS "stage",
        "session_id" AS value_1,
        "user_key" AS value_2
    FROM {{ source('silver', 'product_viewed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'cart.item_added' AS "stage",
        "session_id" AS value_1,
        "user_key" AS value_2
    FROM {{ source('silver', 'cart_item_added_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'checkout.started' AS "stage",
        "session_id" AS value_1,
        "user_key" AS value_2
    FROM {{ source('silver', 'checkout_started_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
    UNION ALL
    SELECT
        org_id,
        event_time,
        'order.completed' AS "stage",
        "session_id" AS value_1,
        "user_key" AS value_2
    FROM {{ source('silver', 'order_completed_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '86400' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "stage",
        value_1,
        value_2,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        "stage",
        COUNT(*) AS events,
        COUNT(DISTINCT value_1) AS sessions,
        COUNT(DISTINCT value_2) AS users
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "stage"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "stage",
    events,
    sessions,
    users
FROM measured
{%- endmacro %}

{% macro transactions(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        "amount" AS value_1,
        "amount" AS value_2,
        "user_id" AS value_3,
        "merchant" AS value_4,
        "payment_method" AS value_5,
        coalesce("is_fraud" = true, false) AS holds_7,
        coalesce("is_high_value" = true, false) AS holds_8,
        "amount" AS value_9
    FROM {{ events or source('silver', 'transaction_created_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        value_1,
        value_2,
        value_3,
        value_4,
        value_5,
        value_9,
        holds_7,
        holds_8,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        COUNT(*) AS transactions,
        COALESCE({{ total('value_1') }}, 0) AS revenue,
        {{ mean('value_2', 'value_2 IS NOT NULL') }} AS near_2,
        {{ total('value_2') }} AS total_2,
        COUNT(value_2) AS number_2,
        COUNT(DISTINCT value_3) AS customers,
        COUNT(DISTINCT value_4) AS merchants,
        COUNT(DISTINCT value_5) AS payment_methods,
        {{ share('holds_7') }} AS fraud_rate,
        {{ share('holds_8') }} AS high_value_rate,
        COUNT(*) FILTER (WHERE value_9 < 10) AS amounts_0,
        COUNT(*) FILTER (WHERE value_9 >= 10 AND value_9 < 50) AS amounts_1,
        COUNT(*) FILTER (WHERE value_9 >= 50 AND value_9 < 100) AS amounts_2,
        COUNT(*) FILTER (WHERE value_9 >= 100 AND value_9 < 500) AS amounts_3,
        COUNT(*) FILTER (WHERE value_9 >= 500 AND value_9 < 1000) AS amounts_4,
        COUNT(*) FILTER (WHERE value_9 >= 1000 AND value_9 < 5000) AS amounts_5,
        COUNT(*) FILTER (WHERE value_9 >= 5000) AS amounts_6
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    transactions,
    revenue,
    {{ exact_mean('near_2', 'total_2', 'number_2') }} AS average_amount,
    customers,
    merchants,
    payment_methods,
    fraud_rate,
    high_value_rate,
    amounts_0,
    amounts_1,
    amounts_2,
    amounts_3,
    amounts_4,
    amounts_5,
    amounts_6
FROM measured
{%- endmacro %}

{% macro transactions_by_country(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        "country" AS "country",
        "amount" AS value_1,
        "amount" AS value_2,
        coalesce("is_fraud" = true, false) AS holds_3,
        coalesce("is_fraud" = true, false) AS holds_4,
        "user_id" AS value_5,
        "device_id" AS value_6,
        "merchant" AS value_7
    FROM {{ events or source('silver', 'transaction_created_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "country",
        value_1,
        value_2,
        value_5,
        value_6,
        value_7,
        holds_3,
        holds_4,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        "country",
        COUNT(*) AS transactions,
        COALESCE({{ total('value_1') }}, 0) AS revenue,
        {{ mean('value_2', 'value_2 IS NOT NULL') }} AS near_2,
        {{ total('value_2') }} AS total_2,
        COUNT(value_2) AS number_2,
        COUNT(*) FILTER (WHERE holds_3) AS fraud_count,
        {{ share('holds_4') }} AS fraud_rate,
        COUNT(DISTINCT value_5) AS customers,
        COUNT(DISTINCT value_6) AS devices,
        COUNT(DISTINCT value_7) AS merchants
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "country"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "country",
    transactions,
    revenue,
    {{ exact_mean('near_2', 'total_2', 'number_2') }} AS average_amount,
    fraud_count,
    fraud_rate,
    customers,
    devices,
    merchants
FROM measured
{%- endmacro %}

{% macro transactions_by_merchant(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        "merchant" AS "merchant",
        "amount" AS value_1,
        "amount" AS value_2,
        coalesce("is_fraud" = true, false) AS holds_3,
        coalesce("is_fraud" = true, false) AS holds_4,
        "user_id" AS value_5,
        "device_id" AS value_6,
        "payment_method" AS value_7
    FROM {{ events or source('silver', 'transaction_created_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "merchant",
        value_1,
        value_2,
        value_5,
        value_6,
        value_7,
        holds_3,
        holds_4,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        "merchant",
        COUNT(*) AS transactions,
        COALESCE({{ total('value_1') }}, 0) AS revenue,
        {{ mean('value_2', 'value_2 IS NOT NULL') }} AS near_2,
        {{ total('value_2') }} AS total_2,
        COUNT(value_2) AS number_2,
        COUNT(*) FILTER (WHERE holds_3) AS fraud_count,
        {{ share('holds_4') }} AS fraud_rate,
        COUNT(DISTINCT value_5) AS customers,
        COUNT(DISTINCT value_6) AS devices,
        COUNT(DISTINCT value_7) AS methods
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "merchant"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "merchant",
    transactions,
    revenue,
    {{ exact_mean('near_2', 'total_2', 'number_2') }} AS average_amount,
    fraud_count,
    fraud_rate,
    customers,
    devices,
    methods
FROM measured
{%- endmacro %}

{% macro transactions_by_payment_method(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        "payment_method" AS "payment_method",
        "amount" AS value_1,
        "amount" AS value_2,
        coalesce("is_fraud" = true, false) AS holds_3,
        coalesce("is_fraud" = true, false) AS holds_4,
        "user_id" AS value_5,
        "device_id" AS value_6
    FROM {{ events or source('silver', 'transaction_created_v1') }}
    WHERE true{% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "payment_method",
        value_1,
        value_2,
        value_5,
        value_6,
        holds_3,
        holds_4,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        "payment_method",
        COUNT(*) AS transactions,
        COALESCE({{ total('value_1') }}, 0) AS revenue,
        {{ mean('value_2', 'value_2 IS NOT NULL') }} AS near_2,
        {{ total('value_2') }} AS total_2,
        COUNT(value_2) AS number_2,
        COUNT(*) FILTER (WHERE holds_3) AS fraud_count,
        {{ share('holds_4') }} AS fraud_rate,
        COUNT(DISTINCT value_5) AS customers,
        COUNT(DISTINCT value_6) AS devices
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "payment_method"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "payment_method",
    transactions,
    revenue,
    {{ exact_mean('near_2', 'total_2', 'number_2') }} AS average_amount,
    fraud_count,
    fraud_rate,
    customers,
    devices
FROM measured
{%- endmacro %}

{% macro transactions_by_user(minutes, slide=none, events=none, late=false) -%}
WITH counted AS (
    SELECT
        org_id,
        event_time,
        "user_key" AS "user",
        "amount" AS value_1,
        "amount" AS value_2,
        "merchant" AS value_3,
        "payment_method" AS value_4,
        (coalesce("is_fraud" = true, false) OR coalesce("amount" > CAST('5000.0000' AS DECIMAL(18, 4)), false) OR coalesce(lower("payment_method") LIKE 'crypto' ESCAPE '\', false) OR coalesce("hour" >= 23, false) OR coalesce("hour" < 5, false)) AS holds_5,
        coalesce("is_fraud" = true, false) AS holds_6,
        coalesce("amount" > CAST('5000.0000' AS DECIMAL(18, 4)), false) AS holds_7,
        coalesce(lower("payment_method") LIKE 'crypto' ESCAPE '\', false) AS holds_8,
        (coalesce("hour" >= 23, false) OR coalesce("hour" < 5, false)) AS holds_9
    FROM {{ events or source('silver', 'transaction_created_v1') }}
    WHERE ("user_key" IS NOT NULL){% if not late %} AND received_at <= event_time + INTERVAL '604800' SECOND{% endif %}
), windowed AS (
    {%- for step in range(0, minutes, slide or minutes) %}
    {% if not loop.first %}UNION ALL {% endif %}SELECT
        org_id,
        "user",
        value_1,
        value_2,
        value_3,
        value_4,
        holds_5,
        holds_6,
        holds_7,
        holds_8,
        holds_9,
        TO_TIMESTAMP(FLOOR(EPOCH(event_time) / {{ (slide or minutes) * 60 }}) * {{ (slide or minutes) * 60 }}
            - {{ step * 60 }}) AS window_start
    FROM counted
    {%- endfor %}
), measured AS (
    SELECT
        org_id,
        window_start,
        "user",
        COUNT(*) AS transactions,
        COALESCE({{ total('value_1') }}, 0) AS spending,
        MAX(value_2) AS greatest_amount,
        COUNT(DISTINCT value_3) AS merchants,
        COUNT(DISTINCT value_4) AS methods,
        {{ share('holds_5') }} AS suspicious_rate,
        COUNT(*) FILTER (WHERE holds_6) AS known_fraud,
        COUNT(*) FILTER (WHERE holds_7) AS high_amount,
        COUNT(*) FILTER (WHERE holds_8) AS crypto_payment,
        COUNT(*) FILTER (WHERE holds_9) AS late_night
    FROM windowed
    {%- if minutes <= 1440 and (slide or 1440 % minutes) %}
    WHERE FLOOR(EPOCH(window_start) / 86400)
        = FLOOR((EPOCH(window_start) + {{ minutes * 60 - 1 }}) / 86400)
    {%- endif %}
    GROUP BY org_id, window_start, "user"
)

SELECT
    org_id,
    window_start,
    window_start + INTERVAL '{{ minutes }}' MINUTE AS window_end,
    "user",
    transactions,
    spending,
    greatest_amount,
    merchants,
    methods,
    suspicious_rate,
    known_fraud,
    high_amount,
    crypto_payment,
    late_night
FROM measured
{%- endmacro %}

-- A ticket that was reported twice has one row: its first opening, and its last rating.
WITH tickets AS (
    SELECT
        org_id,
        ticket_id,
        customer_id,
        channel,
        priority,
        event_time,
        ROW_NUMBER() OVER (PARTITION BY org_id, ticket_id ORDER BY event_time, event_id) AS opening
    FROM {{ source('silver', 'ticket_opened_v1') }}
),

answered AS (
    SELECT
        org_id,
        ticket_id,
        COUNT(event_id) AS reply_count,
        MIN(event_time) FILTER (WHERE author = 'agent') AS first_response_at,
        MIN(event_time) FILTER (WHERE resolved) AS resolved_at
    FROM {{ source('silver', 'ticket_replied_v1') }}
    GROUP BY org_id, ticket_id
),

ratings AS (
    SELECT
        org_id,
        ticket_id,
        score,
        {{ recency('ticket_id') }} AS recency
    FROM {{ source('silver', 'ticket_rated_v1') }}
)

SELECT
    t.org_id,
    t.ticket_id,
    t.customer_id,
    t.channel,
    t.priority,
    t.event_time AS opened_at,
    CAST(FLOOR((EPOCH(a.first_response_at) - EPOCH(t.event_time)) / 60) AS BIGINT) AS first_response_minutes,
    CAST(FLOOR((EPOCH(a.resolved_at) - EPOCH(t.event_time)) / 60) AS BIGINT) AS resolution_minutes,
    COALESCE(a.reply_count, 0) AS reply_count,
    r.score
FROM tickets AS t
LEFT JOIN answered AS a
    ON a.org_id = t.org_id
    AND a.ticket_id = t.ticket_id
LEFT JOIN ratings AS r
    ON r.org_id = t.org_id
    AND r.ticket_id = t.ticket_id
    AND r.recency = 1
WHERE t.opening = 1

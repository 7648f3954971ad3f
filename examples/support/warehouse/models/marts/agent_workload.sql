SELECT
    r.org_id,
    r.agent_id,
    t.channel,
    COUNT(r.event_id) AS reply_count,
    {{ total_integer('r.minutes_spent') }} AS minutes_spent
FROM {{ source('silver', 'ticket_replied_v1') }} AS r
LEFT JOIN {{ ref('ticket_resolution') }} AS t
    ON t.org_id = r.org_id
    AND t.ticket_id = r.ticket_id
WHERE r.author = 'agent'
GROUP BY r.org_id, r.agent_id, t.channel

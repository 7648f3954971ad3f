{# 1 for the last row of a key: by when it happened, then by when intake had it. The event id decides what is left. #}
{% macro recency(keys) -%}
ROW_NUMBER() OVER (PARTITION BY org_id, {{ keys }} ORDER BY event_time DESC, received_at DESC, event_id DESC)
{%- endmacro %}

{# The same for each UTC day. A cast to a date asks the calendar for each row, which is a sixth of what a table of windows costs. #}
{% macro recency_by_day(keys) -%}
{{ recency(keys ~ ', FLOOR(EPOCH(event_time) / 86400)') }}
{%- endmacro %}

"""Acceptance: parse, validate, enrich, append. Each step judges one event; a bad one never drags a good one along."""

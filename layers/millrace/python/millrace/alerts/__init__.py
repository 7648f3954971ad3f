"""Alerts: raised once, held back in a storm, muted, acknowledged, ended. Each step is an event (`alert.*`)."""

"""Fraud decisions: rules as data, velocity and profile of each user, the decision with its reasons."""

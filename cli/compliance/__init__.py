"""The compliance report of a tenant: what is shown, and how, as a page and as PDF."""

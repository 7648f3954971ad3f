"""Who may call: API keys, hashed at rest, each with its tenant, its name and its rights."""

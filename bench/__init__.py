"""What the platform's speed is held to: one file per goal, each with its peer or floor in the same interleaved rounds."""

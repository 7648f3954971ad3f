"""From Sigma rules (https://sigmahq.io) to conditions on our events. Build only."""

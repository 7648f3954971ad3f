"""The roles that a person or a key can have. What each may is in `schemas/policies/`; here is what it is, and who grants it more."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """A role.

    Attributes:
        title: for people.
        description: what its holders do.
        approvers: roles that approve what its holders ask for, one approval of each, by different people.
    """

    title: str
    description: str
    approvers: tuple[str, ...] = ("team-lead",)


TEAM_LEAD, DATA_LEAD, SECURITY, PRIVACY = "team-lead", "data-lead", "security", "privacy-officer"
SERVICE_ACCOUNT = "service-account"
ROLES: Mapping[str, Role] = {
    "analyst": Role("Analyst", "Reads gold and marts, without personal data.", (TEAM_LEAD,)),
    "data-engineer": Role("Data Engineer", "Reads and writes all data; administers nothing.", (DATA_LEAD,)),
    "ml-engineer": Role("ML Engineer", "Reads staging, ml_features, features and models.", (DATA_LEAD,)),
    SERVICE_ACCOUNT: Role(
        "Service Account", "A key: the rights and tables that it names.", (DATA_LEAD, SECURITY)
    ),
    PRIVACY: Role("Privacy Officer", "Answers to persons: consents, export, erasure, tokens.", (DATA_LEAD,)),
    "auditor": Role("Auditor", "Reads the audit, and nothing else.", (SECURITY,)),
    "tenant-admin": Role("Tenant Admin", "Users, keys, roles and grants of the tenant.", (SECURITY,)),
    "creator": Role("Creator", "Reads what belongs to them: their assets and payouts.", (TEAM_LEAD,)),
    "marketplace-admin": Role(
        "Marketplace Admin", "Runs the marketplace: assets, creators, alerts.", (TEAM_LEAD,)
    ),
    TEAM_LEAD: Role("Team Lead", "Approves what analysts ask for.", (DATA_LEAD,)),
    DATA_LEAD: Role("Data Lead", "Approves what engineers and service accounts ask for.", (SECURITY,)),
    SECURITY: Role("Security", "Approves service accounts, beside the data lead.", (DATA_LEAD,)),
}

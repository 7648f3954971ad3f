"""Settings of the replay at a deploy."""

from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings):
    """Tenants that have a binding and perhaps no credential, separated by commas."""

    bound_orgs: str = ""

"""Settings of the replay after a deploy."""

from millrace.intake.assemble import IntakeSettings


class Settings(IntakeSettings):
    """The queue of its tasks; tenants that have a binding and perhaps no credential, separated by commas."""

    waiting_queue_url: str
    bound_orgs: str = ""

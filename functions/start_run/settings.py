"""Settings of what starts the lakehouse's state machines."""

from millrace.core.settings import FunctionSettings
from millrace.core.uses import Resource, uses


class Settings(FunctionSettings):
    """The ARN of each machine, by its name."""

    hourly_etl_machine: str = uses(Resource("machine", "hourly_etl"), "start")
    backfill_machine: str = uses(Resource("machine", "backfill"), "start")
    maintenance_machine: str = uses(Resource("machine", "maintenance"), "start")
    seal_tiles_machine: str = uses(Resource("machine", "seal_tiles"), "start")
    train_model_machine: str = uses(Resource("machine", "train_model"), "start")

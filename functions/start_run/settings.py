"""Settings of what starts the lakehouse's state machines."""

from millrace.core.settings import FunctionSettings


class Settings(FunctionSettings):
    """The ARN of each machine, by its name."""

    hourly_etl_machine: str
    backfill_machine: str
    maintenance_machine: str
    train_model_machine: str

"""Settings, read from the environment once, with defaults that work on a bare machine.

Owns names of variables and folders. Must not open a connection.
"""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """What the environment decides. Every name below is the variable's name in upper case.

    Folders are absolute once read; nothing is created by reading settings.
    """

    model_config = SettingsConfigDict(env_file=None, env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = Field(default=PROJECT_ROOT / ".data", description="Everything a run makes.")
    warehouse_url: str | None = Field(
        default=None,
        description="libpq URL of a PostgreSQL server (15 or newer) and database, as its owner. "
        "Unset: the embedded server under DATA_DIR.",
    )
    warehouse_database: str = Field(default="property_credit", description="Database on the embedded server.")
    distributed: Literal["", "citus"] = Field(
        default="",
        description="citus: WAREHOUSE_URL is the coordinator of a Citus cluster, and big tables are spread over it.",
    )
    citus_workers: str = Field(default="", description="Its workers for `warehouse distribute`: host:port,host:port.")
    warehouse_roles_password: SecretStr | None = Field(
        default=None, description="Password of the pc_* login roles on a server of your own (WAREHOUSE_URL)."
    )
    landing_dir: Path | None = Field(
        default=None,
        description="Where offices drop files: <landing>/<yyyy-mm-dd>/<source profile>/<file>. "
        "Default: DATA_DIR/landing.",
    )
    archive_dir: Path | None = Field(
        default=None, description="Where every delivered file is kept byte for byte. Default: DATA_DIR/archive."
    )
    keys_dir: Path | None = Field(
        default=None, description="Private signing keys, one file each; back it up apart. Default: DATA_DIR/keys."
    )
    pages_dir: Path | None = Field(
        default=None, description="Where each month's pages are written. Default: DATA_DIR/pages."
    )
    pages_session_secret: SecretStr | None = Field(
        default=None, description="What the pages' sessions are signed with. Default: a file of our own in KEYS_DIR."
    )
    pages_https: bool = Field(default=False, description="The pages are served through TLS: cookies only travel there.")
    complaints_api_url: str | None = Field(default=None, description="Base address of the 码上办 complaints API.")
    method_version: str = Field(default="2026.1", description="The grading method in force: scoring/methods/<it>.yml.")
    challenger_method: str | None = Field(
        default=None,
        description="A method that every night grades with as well, in shadow: stored, compared, never published.",
    )
    supervision_limits: Path | None = Field(
        default=None, description="Clocks of 码上办 supervision, a YAML file. Default: supervision/limits.yml."
    )
    tendering_url: str | None = Field(
        default=None, description="Address the relay delivers grades to. Unset: the local sandbox."
    )
    tendering_token: SecretStr | None = Field(default=None, description="Bearer token of the tendering system.")
    supervision_url: str | None = Field(
        default=None,
        description="Address for notices to offices without a recipient of their own. Unset: the local sandbox.",
    )
    supervision_token: SecretStr | None = Field(default=None, description="Bearer token of that address.")

    def model_post_init(self, _context: object) -> None:
        """Make the folders absolute."""
        object.__setattr__(self, "data_dir", self.data_dir.expanduser().resolve())
        for name in ("landing", "archive", "keys", "pages"):
            folder = getattr(self, f"{name}_dir") or self.data_dir / name
            object.__setattr__(self, f"{name}_dir", folder.expanduser().resolve())


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process (read once; tests call ``get_settings.cache_clear()``)."""
    return Settings()

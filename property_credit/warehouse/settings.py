"""Settings, read from the environment once, with defaults that work on a bare machine.

Owns names of variables and folders. Must not open a connection.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parents[2]  # the checkout; of an installed wheel, the folder of its packages
WORK_FOLDER = PROJECT_ROOT if (PROJECT_ROOT / "pyproject.toml").is_file() else Path.cwd()


class Settings(BaseSettings):
    """What the environment decides. Every name below is the variable's name in upper case.

    Folders are absolute once read; nothing is created by reading settings.
    """

    model_config = SettingsConfigDict(env_file=None, env_ignore_empty=True, extra="ignore", frozen=True)

    data_dir: Path = Field(default=WORK_FOLDER / ".data", description="Everything a run makes.")
    warehouse_url: str | None = Field(
        default=None,
        description="libpq URL of a PostgreSQL server (15 or newer) and database, as its owner. "
        "Unset: the embedded server under DATA_DIR.",
    )
    warehouse_database: str = Field(default="property_credit", description="Database on the embedded server.")
    sandbox_warehouse_url: str | None = Field(
        default=None,
        description="libpq URL of the sandbox tenant's database, as its owner, where WAREHOUSE_URL is set: a database "
        "of its own, for invented grades. Unset there: no sandbox tenant.",
    )
    distributed: Literal["", "citus"] = Field(
        default="",
        description="citus: WAREHOUSE_URL is the coordinator of a Citus cluster, and big tables are spread over it.",
    )
    citus_workers: str = Field(default="", description="Its workers for `warehouse distribute`: host:port,host:port.")
    warehouse_roles_password: SecretStr | None = Field(
        default=None, description="Password of the pc_* login roles on a server of your own (WAREHOUSE_URL)."
    )
    pc_api_password: SecretStr | None = Field(
        default=None, description="Password of pc_api, the read API's role. Default: WAREHOUSE_ROLES_PASSWORD."
    )
    pc_pages_password: SecretStr | None = Field(
        default=None, description="Password of pc_pages, the pages' role. Default: WAREHOUSE_ROLES_PASSWORD."
    )
    pc_workbench_password: SecretStr | None = Field(
        default=None, description="Password of pc_workbench, the workbench's role. Default: WAREHOUSE_ROLES_PASSWORD."
    )
    postgres_programs: Path | None = Field(
        default=None,
        description="Folder of pg_dump and pg_restore for a server of your own. Default: where packages of its major "
        "version put them.",
    )
    landing_dir: Path | None = Field(
        default=None,
        description="Where offices drop files: <landing>/<yyyy-mm-dd>/<source profile>/<file>. "
        "Default: DATA_DIR/landing.",
    )
    archive_dir: Path | None = Field(
        default=None, description="Where every delivered file is kept byte for byte. Default: DATA_DIR/archive."
    )
    receipts_dir: Path | None = Field(
        default=None,
        description="Where offices fetch receipts and the rows returned to them. Default: DATA_DIR/receipts.",
    )
    data_key: SecretStr | None = Field(
        default=None,
        description="Encrypts the archive, landed files once read, and what is personal in raw and quarantine; an age "
        "key (`property-credit personal-data key`), set by a secret store. Unset: they are plain.",
    )
    keys_dir: Path | None = Field(
        default=None, description="Private signing keys, one file each; back it up apart. Default: DATA_DIR/keys."
    )
    keys_passphrase: SecretStr | None = Field(
        default=None, description="Encrypts the private key files; set by a secret store. Unset: files are plain."
    )
    log_origin: str = Field(
        default="property-credit/grades",
        description="Name of the public log in its checkpoints (C2SP): a domain and path of the body that publishes.",
    )
    pages_dir: Path | None = Field(
        default=None, description="Where each month's pages are written. Default: DATA_DIR/pages."
    )
    pages_session_secret: SecretStr | None = Field(
        default=None, description="What the pages' sessions are signed with. Default: a file of our own in KEYS_DIR."
    )
    workbench_session_secret: SecretStr | None = Field(
        default=None,
        description="What the workbench's sessions are signed with. Default: a file of our own in KEYS_DIR.",
    )
    workbench_day: Literal["clock", "nights"] = Field(
        default="clock",
        description="The day that acts in the workbench are dated: the calendar's, or (a sample region, whose days are "
        "not today's) the day after the newest night.",
    )
    attachments_dir: Path | None = Field(
        default=None, description="Where files that people attach to a case are kept. Default: DATA_DIR/attachments."
    )
    attachment_scanner: str | None = Field(
        default=None,
        description="A command that looks at a file before it is kept (its path is added): exit 0 is clean, "
        "1 refuses it, all else is told as a fault. Default: none.",
    )
    allowed_hosts: str = Field(
        default="localhost,127.0.0.1,[::1]",
        description="Names under which API, pages and sandbox answer (name,name; no port): all others are refused.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses of proxies whose X-Forwarded-For is believed (address,address). Default: nobody's.",
    )
    pages_https: bool = Field(default=False, description="The pages are served through TLS: cookies only travel there.")
    complaints_api_url: str | None = Field(default=None, description="Base address of the 码上办 complaints API.")
    method_version: str = Field(default="2026.1", description="The grading method in force: scoring/methods/<it>.yml.")
    challenger_method: str | None = Field(
        default=None,
        description="A method that every night grades with as well, in shadow: stored, compared, never published.",
    )
    holidays_file: Path | None = Field(
        default=None,
        description="Working days over the library's, a YAML file. Default: property_credit/warehouse/holidays.yml.",
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
    operator_channels: SecretStr | None = Field(
        default=None,
        description="Whom the watchdog tells, addresses as apprise writes them, with spaces between: mailto://, "
        "wecombot://, dingtalk://, json://. Default: nobody.",
    )
    notice_mail: SecretStr | None = Field(
        default=None,
        description="The mailbox that sends notices to people, as apprise writes it without recipients "
        "(mailtos://user:password@mail.example). Default: no mail is sent.",
    )
    notice_hosts: str = Field(
        default="",
        description="Hosts that people may have their notices posted to (host:port,host:port). Default: none.",
    )
    airflow_url: str | None = Field(
        default=None, description="Airflow's address, whose health the watchdog asks for. Default: it is not asked."
    )

    def password_of(self, role: str) -> str | None:
        """Return the password that login role ``role`` has on a server of one's own; None when none is set."""
        own = {
            "pc_api": self.pc_api_password,
            "pc_pages": self.pc_pages_password,
            "pc_workbench": self.pc_workbench_password,
        }.get(role)
        password = own or self.warehouse_roles_password
        return password.get_secret_value() if password else None

    def model_post_init(self, _context: object) -> None:
        """Make the folders absolute."""
        object.__setattr__(self, "data_dir", self.data_dir.expanduser().resolve())
        for name in ("landing", "archive", "receipts", "keys", "pages", "attachments"):
            folder = getattr(self, f"{name}_dir") or self.data_dir / name
            object.__setattr__(self, f"{name}_dir", folder.expanduser().resolve())


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Return the settings of this process (read once; tests call ``get_settings.cache_clear()``)."""
    return Settings()


@contextmanager
def settings_of(values: Mapping[str, str]) -> Iterator[Settings]:
    """Let this process and those it starts work under other settings, by their variables' names, while the block runs.

    An empty value stands for a variable that is not set.
    """
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    get_settings.cache_clear()
    try:
        yield get_settings()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        get_settings.cache_clear()

"""Copies sealed runs to and from a store: S3 and what speaks like it, GCS, Azure, a folder.

Nothing there is overwritten or removed, and nothing is asked but the store itself: without
credentials nothing is sent, since the library would ask the network for some.
"""

import asyncio
import gzip
import os
import re
import tomllib
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit

from keepiton.archive import merge
from keepiton.base.errors import UserError
from keepiton.base.secret_file import read_secrets
from keepiton.base.types import clean
from keepiton.storage import runs, state
from keepiton.storage.run_name import RunName, day_folder
from keepiton.storage.runs import StoredRun
from keepiton.storage.seal import inspect, intact

if TYPE_CHECKING:
    from obstore.store import ObjectStore

T = TypeVar("T")
AT_ONCE = 8
"""Objects under way at the same time."""
MAX_PACKED = 64 << 20
"""Bytes of an object that is fetched; a run of the default list is some 20 kB there."""
LEVEL = 6
"""Of gzip: 9 takes twice as long for 7 % less."""
BATCH = 64
BATCH_BYTES = 64 << 20
"""Runs, and bytes of them, that are put down together."""
FAMILIES = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
"""What the names of a kind's settings begin with."""
ENDPOINT = {"s3": "endpoint", "gs": "base_url", "az": "endpoint"}
_ACCOUNT = "AZURE_STORAGE_ACCOUNT_NAME"
ENOUGH: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "s3": (
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"),
        ("AWS_SKIP_SIGNATURE",),
    ),
    "gs": (
        ("GOOGLE_APPLICATION_CREDENTIALS",),
        ("GOOGLE_SERVICE_ACCOUNT",),
        ("GOOGLE_SERVICE_ACCOUNT_PATH",),
        ("GOOGLE_SERVICE_ACCOUNT_KEY",),
        ("GOOGLE_BEARER_TOKEN",),
        ("GOOGLE_SKIP_SIGNATURE",),
    ),
    "az": (
        (_ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY"),
        (_ACCOUNT, "AZURE_STORAGE_SAS_TOKEN"),
        (_ACCOUNT, "AZURE_STORAGE_TOKEN"),
        (_ACCOUNT, "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"),
        (_ACCOUNT, "AZURE_SKIP_SIGNATURE"),
    ),
}
"""Sets of settings, each of which is enough: with less the library would ask the address of a
cloud's metadata service (169.254.169.254) for credentials."""
SECRETS = (
    "nothing secret belongs into it, since others on this machine can read it, and it stays in the"
    " shell's history: leave out user, password and what follows a ?, put them into a file for"
    " --credentials, and have them changed"
)
TRUE = ("1", "true", "yes", "y", "on")
_LINE = re.compile(r"\s*(?:export\s+)?(?P<key>[A-Za-z_]\w*)\s*=\s*(?P<value>.*?)\s*")
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_OS_ERROR = re.compile(r"os error (\d{1,4})\)")
DENIED = ("401", "403")
REFUSED = ("PermissionDeniedError", "UnauthenticatedError")


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """Where a store is, as a URL or a path names it."""

    kind: str
    """s3, gs, az or file."""
    bucket: str
    """Bucket or container; of a folder its path."""
    prefix: str = ""

    def __str__(self) -> str:
        """Return the URL or path, for people to read."""
        if self.kind == "file":
            return clean(self.bucket)
        return clean(f"{self.kind}://{self.bucket}/{self.prefix}".rstrip("/"))


def parse_url(url: str) -> StoreUrl:
    """Read a store's URL, or the path of a folder. Raises UserError, which repeats no secret."""
    if "://" not in url:
        return StoreUrl("file", str(Path(url).absolute()))
    scheme, _, rest = url.partition("://")
    if scheme == "file" and rest.removeprefix("localhost").startswith("/"):
        return StoreUrl("file", unquote(rest.removeprefix("localhost")))
    if scheme not in FAMILIES or not rest.strip("/"):
        raise UserError(
            "URL: no such store; write s3://BUCKET/PREFIX, gs://BUCKET/PREFIX,"
            " az://CONTAINER/PREFIX, file:///FOLDER or the path of a folder"
        )
    bucket, _, prefix = _safe(rest, "URL").partition("/")
    if ":" in bucket:
        raise UserError(f"URL: {SECRETS}")
    return StoreUrl(scheme, bucket, unquote(prefix).strip("/"))


def _safe(url: str, flag: str) -> str:
    """Refuse a URL that may hold a secret, wherever in it, since keys may hold any character."""
    if any(sign in url for sign in "@?#"):
        raise UserError(f"{flag}: {SECRETS}")
    return url


def credentials(path: Path, kind: str) -> dict[str, str]:
    """Read a file of KEY=value lines or TOML. Raises UserError, which repeats no value."""
    text = read_secrets(path)
    try:
        settings = {key: (0, value) for key, value in tomllib.loads(text).items()}
    except tomllib.TOMLDecodeError:
        settings = dict(_lines(path, text))
    family = FAMILIES.get(kind, "")
    for key, (number, value) in settings.items():
        where = f"{path}:{number}" if number else f"{path}"
        if not family or not key.upper().startswith(family):
            wanted = f"{kind}:// takes names that begin with {family}" if family else "a folder"
            raise UserError(f"{where}: {clean(key)}: not for here: {wanted or 'no credentials'}")
        if isinstance(value, dict | list):
            raise UserError(f"{where}: {clean(key)}: write a text in quotes")
    return {key.upper(): str(value) for key, (_, value) in settings.items()}


def _lines(path: Path, text: str) -> Iterator[tuple[str, tuple[int, str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if not match:
            raise UserError(f"{path}:{number}: write KEY=value")
        value = match["value"]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        yield match["key"], (number, value)


def open_store(
    where: StoreUrl,
    settings: Mapping[str, str] | None,
    *,
    endpoint: str | None = None,
    region: str | None = None,
    timeout_s: float = 60.0,
    create: bool = False,
) -> "ObjectStore":
    """Open a store; nothing is sent yet. Raises UserError.

    ``settings``, of a file of credentials, stand in place of all of the environment's. A store that
    does not answer is asked again, with growing pauses, for ``timeout_s`` seconds.
    """
    try:
        from obstore import exceptions, store  # noqa: PLC0415
    except ImportError:
        raise UserError("obstore is not installed; pip install 'keepiton[fleet]'") from None
    if where.kind == "file":
        if settings or endpoint or region:
            raise UserError(f"{where}: a folder takes no --credentials, --endpoint or --region")
        if not create and not Path(where.bucket).is_dir():
            raise UserError(f"{where}: no such folder")
        try:
            return store.LocalStore(where.bucket, mkdir=create)
        except (exceptions.BaseError, OSError) as exc:
            raise UserError(f"{where}: {error_text(exc)}") from None
    family = FAMILIES[where.kind]
    if settings is not None:
        for name in [name for name in os.environ if name.upper().startswith(family)]:
            del os.environ[name]
    config = dict(settings or {})
    known = {name: os.environ[name] for name in os.environ if name.startswith(family)} | config
    _require(where, known)
    if endpoint:
        config[f"{family}ENDPOINT"] = endpoint
        for name in (f"{family}ENDPOINT_URL", f"{family}ENDPOINT_URL_S3"):
            os.environ.pop(name, None)  # it would be stronger
            config.pop(name, None)
    plain = _plain(endpoint, known, family)
    if region and where.kind != "s3":
        raise UserError(f"{where}: --region is for s3://")
    if region:
        config[f"{family}REGION"] = region
    shaped: dict[str, Any] = {name.lower(): value for name, value in config.items()}
    if endpoint and ENDPOINT[where.kind] != "endpoint":
        shaped[ENDPOINT[where.kind]] = shaped.pop(f"{family.lower()}endpoint")
    seconds = timedelta(seconds=timeout_s)
    options: dict[str, Any] = {
        "config": shaped,
        "prefix": where.prefix or None,
        "client_options": {
            "allow_http": plain,
            "connect_timeout": min(seconds, timedelta(seconds=10)),
            "read_timeout": seconds,
            "timeout": 10 * seconds,
        },
        "retry_config": {
            "max_retries": 20,
            "retry_timeout": seconds,
            "backoff": {
                "init_backoff": timedelta(seconds=0.2),
                "max_backoff": timedelta(seconds=15),
                "base": 2,
            },
        },
    }
    kinds: dict[str, Any] = {"s3": store.S3Store, "gs": store.GCSStore, "az": store.AzureStore}
    try:
        opened: ObjectStore = kinds[where.kind](where.bucket, **options)
    except exceptions.UnknownConfigurationKeyError:
        raise UserError(f"{where}: --credentials holds a name that is not known") from None
    except (exceptions.BaseError, ValueError, TypeError):  # its text may hold what was given
        raise UserError(
            f"{where}: endpoint, region or credentials are not of the right form"
        ) from None
    return opened


def _require(where: StoreUrl, known: Mapping[str, str]) -> None:
    """Refuse to begin with credentials that the library would ask the network to complete."""

    def there(name: str) -> bool:
        value = known.get(name, "").strip()
        return value.lower() in TRUE if name.endswith("SKIP_SIGNATURE") else bool(value)

    if not any(all(map(there, names)) for names in ENOUGH[where.kind]):
        first, *_ = ENOUGH[where.kind]
        raise UserError(
            f"{where}: no credentials found; set {' and '.join(first)} in the environment, or give"
            " a file of such lines with --credentials (docs/guides/fleet.md names others)"
        )


def _plain(endpoint: str | None, known: Mapping[str, str], family: str) -> bool:
    """Whether an endpoint is asked for that speaks without TLS. Raises UserError."""
    names = (f"{family}ENDPOINT_URL_S3", f"{family}ENDPOINT_URL", f"{family}ENDPOINT")
    url = endpoint or next((known[name] for name in names if known.get(name)), "")
    try:
        parts = urlsplit(_safe(url, "--endpoint"))
    except ValueError:
        parts = urlsplit("")
    if endpoint and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise UserError("--endpoint: write https://HOST or https://HOST:PORT")
    return parts.scheme == "http"


def error_text(exc: Exception) -> str:
    """Describe a store's error. Its own text may hold what is secret, and is never shown."""
    text = str(exc)
    status, code, local = (form.search(text) for form in (_STATUS, _CODE, _OS_ERROR))
    answer = " ".join(match[1] for match in (status, code) if match)
    if (status and status[1] in DENIED) or (not local and type(exc).__name__ in REFUSED):
        return f"refused ({answer}): look at the credentials, and at what they may do"
    if code and code[1] == "NoSuchBucket":
        return "no such bucket"
    if status:
        return f"answered {answer}; try again later"
    if local:
        return f"{os.strerror(int(local[1]))}"
    return "cannot be reached; the same command goes on from here once it can"


@dataclass(slots=True)
class TransferResult:
    """What a push or a pull did."""

    moved: list[str] = field(default_factory=list)
    """Names of runs."""
    there: int = 0
    """Runs that needed nothing."""
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stopped: str | None = None
    """Why it ended before all was done."""


Step = Callable[[int, int], None]
"""Is told how many of how many are done."""


async def push(
    store: "ObjectStore", files: Sequence[str], oldest: datetime | None, step: Step, *, dry: bool
) -> TransferResult:
    """Send sealed runs that are not there yet, each checked first."""
    import obstore  # noqa: PLC0415 - an optional library

    result = TransferResult()
    wanted = {
        run.run_name: run
        for run in runs.list_runs(files)
        if run.sealed and _recent(run.run_name, oldest)
    }
    there: set[RunName] = set()

    async def list_day(folder: str) -> None:
        there.update([name async for _, name, _ in _listed(store, folder)])

    await _each(sorted({day_folder(name.started_at) for name in wanted}), list_day, result)
    left = [wanted[name] for name in wanted.keys() - there]
    left.sort(key=lambda run: run.name)
    result.there = len(wanted) - len(left)
    if result.stopped or dry:
        result.moved = [] if result.stopped else [run.name for run in left]
        return result
    names = {run.name: run.run_name for run in left}
    done = 0

    async def send(content_of: tuple[str, bytes]) -> None:
        nonlocal done
        name, content = content_of
        if not intact(content, name):
            result.problems.append(f"{name}: its seal does not fit; not sent")
        else:
            key, body = names[name].path + ".gz", gzip.compress(content, LEVEL, mtime=0)
            try:
                await obstore.put_async(store, key, body, mode="create", use_multipart=False)
                result.moved.append(name)
            except (obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError):
                result.there += 1  # somebody else was first, or an answer was lost
        done += 1
        step(done, len(left))

    await _each(_contents(left, result.problems), send, result)
    return result


def _recent(name: RunName, oldest: datetime | None) -> bool:
    return oldest is None or name.started_at >= oldest.replace(microsecond=0)


def _contents(stored: Iterable[StoredRun], problems: list[str]) -> Iterator[tuple[str, bytes]]:
    """Read runs one after another, those in one Parquet file in one pass."""
    packed: dict[str, list[str]] = {}
    for run in stored:
        if run.in_parquet:
            packed.setdefault(run.path, []).append(run.name)
            continue
        try:
            yield run.name, runs.read_content(run)
        except UserError as exc:
            problems.append(str(exc))
    for path, names in packed.items():
        try:
            yield from runs.iter_contents(path, names)
        except UserError as exc:
            problems.append(str(exc))


async def pull(
    store: "ObjectStore", data: Path, oldest: datetime | None, step: Step, *, dry: bool
) -> TransferResult:
    """Fetch sealed runs that are not here yet, and take them in as a merge does. Raises OSError."""
    import obstore  # noqa: PLC0415 - an optional library

    result = TransferResult()
    here = merge.LocalRuns(data, state.load(data).open_file)
    left: list[tuple[str, RunName]] = []

    async def list_folder(folder: str) -> None:
        async for key, name, size in _listed(store, folder):
            if not _recent(name, oldest):
                continue
            if here.done(name):
                result.there += 1
            elif size > MAX_PACKED:
                result.problems.append(f"{clean(key)}: {size} bytes; no run is so long; left")
            else:
                left.append((key, name))

    await _each([""], list_folder, result)
    left.sort(key=lambda entry: entry[0])
    if result.stopped or dry:
        names = {name.file_name for _, name in left}
        result.moved = [] if result.stopped else sorted(names)
        return result
    fresh: list[merge.RunCopy] = []
    taken: list[merge.RunCopy] = []
    done = 0

    def put_down() -> None:
        plan = merge.plan(fresh, here)
        merge.carry_out(plan, data)
        result.problems += plan.problems
        result.notes += plan.notes
        for merge_step in plan.steps:
            name = merge_step.best.head.name
            if merge_step.kind != "there":
                result.moved.append(name.file_name)
            placed = StoredRun(name, str(data / merge_step.target))
            load = partial(runs.read_content, placed)
            taken.append(replace(merge_step.best, path=placed.path, load=load))  # not the bytes
        fresh.clear()

    async def fetch(entry: tuple[str, RunName]) -> None:
        nonlocal done
        key, name = entry
        with suppress(obstore.exceptions.NotFoundError):  # it was removed meanwhile
            answer = await obstore.get_async(store, key)
            if answer.meta["size"] > MAX_PACKED:
                result.problems.append(f"{clean(key)}: grew meanwhile; left")
                return
            body = bytes(await answer.bytes_async())
            content = merge.unpacked(body) if key.endswith(".gz") else body
            head = inspect(content)
            if head is None or head.integrity != "whole" or head.name != name:
                result.problems.append(
                    f"{clean(key)}: cut, changed since it was sealed, or another run's; left"
                )
            else:
                fresh.append(merge.read_copy(head, content, key, partial(bytes, content)))
        done += 1
        step(done, len(left))
        if len(fresh) >= BATCH or sum(copy.size for copy in fresh) > BATCH_BYTES:
            put_down()

    await _each(left, fetch, result)
    put_down()
    result.notes += merge.shared_names(taken, here)
    return result


async def _listed(store: "ObjectStore", folder: str) -> AsyncIterator[tuple[str, RunName, int]]:
    """List the runs below a folder of a store, whatever folders are between: key, name, bytes."""
    import obstore  # noqa: PLC0415 - an optional library

    async for page in obstore.list(store, folder or None):
        for entry in page:
            key = entry["path"]
            if key.endswith((".jsonl", ".gz")) and (name := RunName.parse(key.rpartition("/")[2])):
                yield key, name, entry["size"]


async def _each(
    jobs: Iterable[T], work: Callable[[T], Awaitable[None]], result: TransferResult
) -> None:
    """Do several jobs at once, until one meets a store that cannot be used."""
    from obstore import exceptions  # noqa: PLC0415 - an optional library

    left = iter(jobs)

    async def worker() -> None:
        for job in left:
            if result.stopped:
                return
            try:
                await work(job)
            except exceptions.BaseError as exc:
                result.stopped = result.stopped or error_text(exc)
                return

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(worker())
    except ExceptionGroup as several:  # a disk that is full, and not the store
        raise several.exceptions[0] from None

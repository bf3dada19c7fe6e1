"""The servers of a test session: each is started when first asked for, shared by all tests, and stopped at the end."""

from __future__ import annotations

from pathlib import Path

from experiment_ids import CANDIDATE_FIRST_ID, OFFICIAL_FIRST_ID, start_experiment_ids_at
from postgres import Cluster, start_cluster
from servers import Server, backend_uri, start_ferroflow, start_official

Environment = tuple[tuple[str, str], ...]
# Receivers of webhooks listen on this machine and speak plain HTTP; both servers read each other's secrets.
WEBHOOKS = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
    "MLFLOW_WEBHOOK_REQUEST_MAX_RETRIES": "0",
    # The official server goes on telling what is deleted for so many seconds.
    "MLFLOW_WEBHOOK_CACHE_TTL": "1",
    "FERROFLOW_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.1",
}


class Fleet:
    """Gives out the shared servers, and fresh ones under names of their own."""

    def __init__(self, directory: Path, candidate: str) -> None:
        self.directory = directory
        self.candidate_kind = candidate
        self._cluster: Cluster | None = None
        self._shared: dict[tuple[str, str, Environment], Server] = {}
        self._started: list[Server] = []

    @property
    def cluster(self) -> Cluster:
        """The session's PostgreSQL."""
        if self._cluster is None:
            self._cluster = start_cluster(self.directory / "postgresql.log")
        return self._cluster

    def official(self, engine: str, environment: Environment = ()) -> Server:
        """The shared official server on this engine."""
        return self._share("official", engine, environment)

    def candidate(self, engine: str, environment: Environment = ()) -> Server:
        """The shared server under test on this engine."""
        return self._share("candidate", engine, environment)

    def database(self, engine: str, name: str) -> str:
        """A fresh, empty database."""
        return backend_uri(engine, self.directory / f"{name}-{engine}", self.cluster, name)

    def start(
        self, kind: str, name: str, uri: str, environment: Environment = (), destination: str | None = None
    ) -> Server:
        """Starts a server that is not shared; it is stopped with the rest unless the test has done so."""
        start = start_official if kind == "official" else start_ferroflow
        server = start(self.directory / name, uri, dict(environment), destination)
        self._started.append(server)
        return server

    def stop(self) -> None:
        """Stops everything."""
        for server in self._started:
            server.stop()
        if self._cluster is not None:
            self._cluster.stop()

    def _share(self, role: str, engine: str, environment: Environment) -> Server:
        key = (role, engine, environment)
        if key not in self._shared:
            name = f"{role}-{engine}-{len(self._shared)}"
            kind = self.candidate_kind if role == "candidate" else role
            uri = backend_uri(engine, self.directory / name, self.cluster, role)
            server = self.start(kind, name, uri, (*WEBHOOKS.items(), *environment))
            first = OFFICIAL_FIRST_ID if role == "official" else CANDIDATE_FIRST_ID
            start_experiment_ids_at(uri, first)
            self._shared[key] = server
        return self._shared[key]
